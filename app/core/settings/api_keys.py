"""API keys."""

from pydantic import Field

from app.core.settings.base import AppSettings
from app.core.settings.limits import Rate


class ApiKeySettings(AppSettings):
    """API keys."""

    api_key_max_days: int = Field(366, ge=1, le=366)
    """Largest number of days that an API key can be valid. If the request for a key
    names no lifetime, the key is valid for 90 days, but at most for API_KEY_MAX_DAYS.
    """

    # In the form of the environment, for the settings page. Pydantic parses it.
    rate_limit_api_keys: Rate = "1000/60"  # type: ignore[assignment]
    """Limit for all requests with one API key. The limit of the client address applies
    as well. Write it like RATE_LIMIT_WRITES. `off`: no limit.
    """
