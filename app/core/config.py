"""Reads the settings from the environment or `.env`. No other module reads them.

`Settings` joins the groups of `app.core.settings` under the flat names of environment
variables. Unsafe values fail in validators, so that one message names all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.core.errors import own_words
from app.core.settings.api_keys import ApiKeySettings
from app.core.settings.breached_passwords import BreachedPasswordSettings
from app.core.settings.changes import kept_defaults
from app.core.settings.database import DatabaseSettings
from app.core.settings.external_identities import ExternalIdentitySettings
from app.core.settings.http import HTTPSettings
from app.core.settings.limits import LimitSettings
from app.core.settings.mail import MailSettings
from app.core.settings.mfa import MfaSettings
from app.core.settings.observation import ObservationSettings
from app.core.settings.operation import OperationSettings
from app.core.settings.passkeys import PasskeySettings
from app.core.settings.products import ProductSettings
from app.core.settings.security import SecuritySettings
from app.identity import DEFAULTS


class Settings(
    ProductSettings,
    ApiKeySettings,
    BreachedPasswordSettings,
    ExternalIdentitySettings,
    ObservationSettings,
    OperationSettings,
    PasskeySettings,
    MailSettings,
    MfaSettings,
    HTTPSettings,
    LimitSettings,
    SecuritySettings,
    DatabaseSettings,
    BaseSettings,
):
    """All settings, immutable.

    The validator of a field sees only values of its own group, and of the groups that
    stand below this group in the list above.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """List the sources of values. The first source that has a value wins."""
        names: dict[str, str | None] = {}
        for source in (dotenv_settings, env_settings):
            assert isinstance(source, EnvSettingsSource)  # noqa: S101 - for mypy
            names |= source.env_vars
        named = (
            {"environment": names["fastapi_env"]} if names.get("fastapi_env") else {}
        )
        return (
            init_settings,
            InitSettingsSource(settings_cls, dict(read_secret_files(names))),
            env_settings,
            dotenv_settings,
            InitSettingsSource(settings_cls, named),
            InitSettingsSource(
                settings_cls, kept_defaults(names.get("defaults") or DEFAULTS)
            ),
        )

    @model_validator(mode="before")
    @classmethod
    def _environment_of_postgresql(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Require ENVIRONMENT with PostgreSQL.

        Other instances can use the same database, so a guess could be dangerous.
        """
        url = str(values.get("database_url"))
        return {"environment": None, **values} if url.startswith("postgres") else values

    @field_validator("*", mode="before")
    @classmethod
    def _was_readable(cls, value: object) -> object:
        if isinstance(value, ValueError):
            raise value
        return value

    @property
    def logs_json(self) -> bool:
        return (self.log_format or self.environment) not in {"console", "development"}


def secret_names() -> list[str]:
    """List the settings that hold a secret. Each can come from a file."""
    return [name for name, field in Settings.model_fields.items() if not field.repr]


def read_secret_files(
    names: Mapping[str, str | None],
) -> Iterator[tuple[str, str | ValueError]]:
    """Read the file of each `NAME_FILE`, or give the reason why it cannot be read."""
    for name in secret_names():
        if not (path := names.get(f"{name}_file")):
            continue
        try:
            secret = Path(path).read_text().strip()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
            yield name, ValueError(f"cannot be read from its file: {reason}")
        else:
            yield name, secret or ValueError("has an empty file")


def misspelt_names() -> Iterator[tuple[str, str]]:
    """Yield each unknown name of `.env` that resembles a setting, with this setting."""
    known = {*Settings.model_fields, "fastapi_env"}
    known |= {f"{name}_file" for name in secret_names()}
    for name in DotEnvSettingsSource(Settings).env_vars:
        if name not in known:
            for nearest in get_close_matches(name, known, n=1, cutoff=0.8):
                yield name.upper(), nearest.upper()


class ConfigurationError(Exception):
    """Settings are not valid. The message names each one, without its value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"The service cannot start with these settings:{lines}")


@lru_cache
def get_settings() -> Settings:
    """Read the settings once. Raises `ConfigurationError` with every problem."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"{str(e['loc'][0]).upper()} {own_words(e['msg'])}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(problems) from None
