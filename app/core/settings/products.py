"""How large a file of products may be."""

from pydantic import Field

from app.core.settings.base import AppSettings, PositiveSeconds


class ProductSettings(AppSettings):
    """Products: their imports."""

    import_max_body_bytes: int = Field(
        2**30, ge=1024, description="MAX_BODY_BYTES for product imports."
    )
    import_timeout_seconds: PositiveSeconds = Field(
        600, description="REQUEST_DEADLINE_SECONDS for product imports."
    )
