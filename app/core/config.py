"""Reads the settings from the environment or `.env`. No other module reads them.

`Settings` joins the groups of `app.core.settings` under the flat names of environment
variables. Validators refuse values that are unsafe in production, so that one message
names all of them.
"""

from collections.abc import Iterable
from functools import lru_cache

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.errors import own_words
from app.core.settings.database import DatabaseSettings
from app.core.settings.http import HTTPSettings
from app.core.settings.limits import LimitSettings
from app.core.settings.mail import MailSettings
from app.core.settings.operation import OperationSettings
from app.core.settings.products import ProductSettings
from app.core.settings.security import SecuritySettings


class Settings(
    ProductSettings,
    OperationSettings,
    MailSettings,
    HTTPSettings,
    LimitSettings,
    SecuritySettings,
    DatabaseSettings,
    BaseSettings,
):
    """All settings, immutable. Pydantic validates the last base class first."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    @property
    def logs_json(self) -> bool:
        return (self.log_format or self.environment) not in {"console", "development"}


class ConfigurationError(Exception):
    """The settings are not valid. The message names each one, without its value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"The service cannot start with these settings:{lines}")


@lru_cache
def get_settings() -> Settings:
    """Raises `ConfigurationError`, which names every problem."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"{str(e['loc'][0]).upper()} {own_words(e['msg'])}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(problems) from None
