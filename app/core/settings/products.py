"""Product imports."""

from pydantic import Field

from app.core.settings.base import AppSettings, PositiveSeconds


class ProductSettings(AppSettings):
    """Product imports."""

    import_max_body_bytes: int = Field(2**30, ge=1024)
    """Largest file that can be imported, in bytes; a larger one gets a 413. The default
    is 1 GiB.
    """

    import_max_uploads: int = Field(4, ge=1, le=100)
    """Maximum number of import files that a worker keeps in TMPDIR at the same time.
    One more import gets a 503. In TMPDIR an import needs up to seven times as much
    space as the file that the client sends.
    """

    import_timeout_seconds: PositiveSeconds = 600
    """Seconds that each of the two steps of an import can take: the client sends the
    file, then the service stores the rows.
    """
