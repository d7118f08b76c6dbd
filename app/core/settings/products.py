"""Product imports."""

from pydantic import Field

from app.core.settings.base import AppSettings, PositiveSeconds


class ProductSettings(AppSettings):
    """Product imports."""

    import_max_body_bytes: int = Field(
        2**30,
        ge=1024,
        description="Largest file that can be imported, in bytes; a larger one gets a "
        "413. The default is 1 GiB.",
    )
    import_max_uploads: int = Field(
        4,
        ge=1,
        le=100,
        description="Files of imports that a worker keeps in TMPDIR at the same time; "
        "one more gets a 503. Each import can take up to seven times the size of its "
        "file.",
    )
    import_timeout_seconds: PositiveSeconds = Field(
        600,
        description="Seconds that each of the two steps of an import can take: the "
        "client sends the file, then the service stores the rows.",
    )
