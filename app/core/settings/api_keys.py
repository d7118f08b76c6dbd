"""API keys."""

from pydantic import Field

from app.core.settings.base import AppSettings
from app.core.settings.limits import Rate


class ApiKeySettings(AppSettings):
    """API keys."""

    api_key_max_days: int = Field(366, ge=1, le=366)
    """Largest number of days that an API key can be valid. A key is valid for 90
    days if its request names no lifetime, or for API_KEY_MAX_DAYS if that is less.
    """

    # Written as in the environment for the settings page; defaults are validated, too.
    rate_limit_api_keys: Rate = "1000/60"  # type: ignore[assignment]
    """Limit for all requests with one API key. The limit of the client address applies
    as well. Write it like RATE_LIMIT_WRITES. `off`: no limit.
    """
