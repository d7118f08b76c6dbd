"""Weak settings that the service allows. It starts, and logs a warning for each."""

from collections.abc import Iterator
from pathlib import Path

from app.core.config import Settings, misspelt_names
from app.core.settings.base import is_local, split_url
from app.core.settings.changes import DEPRECATIONS, kept_defaults
from app.core.settings.security import DEVELOPMENT_SECRET_KEY


def find_warnings(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each weak setting. No sentence contains a value."""
    for name, nearest in misspelt_names():
        yield f"{name} in .env is not a setting. Did you mean {nearest}?"
    yield from of_releases(settings)
    if settings.on_sqlite and is_open_to_others(settings.sqlite_file):
        yield "DATABASE_URL names a file that others can read: set its mode to 600."
    if settings.environment == "development":
        yield from of_development(settings)
    else:
        yield from of_deployment(settings)


def of_releases(settings: Settings) -> Iterator[str]:
    """Name the settings that will go away, and the defaults that an update kept."""
    for each in DEPRECATIONS:
        if each.setting in settings.model_fields_set:
            yield (
                f"{each.setting.upper()} is deprecated since {each.since}, and "
                f"{each.until} removes it. {each.instead}"
            )
    if kept := kept_defaults(settings.defaults):
        names = ", ".join(sorted(kept)).upper()
        yield f"DEFAULTS keeps the defaults of {settings.defaults} for {names}."


def is_open_to_others(file: Path) -> bool:
    """Whether other users of this machine can read the SQLite database or its WAL."""
    files = [Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm")]
    return any(each.exists() and each.stat().st_mode & 0o077 for each in files)


def of_development(settings: Settings) -> Iterator[str]:
    opened = ["/docs is public"]
    if settings.secret_key.get_secret_value() == DEVELOPMENT_SECRET_KEY:
        opened.append("SECRET_KEY is publicly known")
    if settings.registration == "open":
        opened.append("registration is open")
    if settings.writes_mail_to_files and not settings.smtp_url:
        opened.append("mails and their links are written to files and to the log")
    yield f"ENVIRONMENT is development: {', '.join(opened)}."


def of_deployment(settings: Settings) -> Iterator[str]:
    if settings.on_sqlite:
        yield "DATABASE_URL is SQLite: one machine, and one writer at a time."
    if not settings.redis_url:
        yield "REDIS_URL is not set: each process counts rate limits separately."
    if not settings.smtp_url:
        yield "SMTP_URL is not set: mail waits in the outbox."
    if is_local(split_url(settings.public_base_url).hostname or ""):
        yield "PUBLIC_BASE_URL is not set: links in mails lead to this machine."
    if not settings.trusted_proxies:
        yield (
            "TRUSTED_PROXIES is not set: behind a proxy, all clients share the limits "
            "of its address."
        )
    if settings.registration == "open":
        yield "REGISTRATION is open: accounts need no confirmed e-mail address."
    if not settings.rate_limit_enabled:
        yield "RATE_LIMIT_ENABLED is false: clients can guess passwords without limit."
    if settings.debug:
        yield "DEBUG is true: the log contains every SQL statement."
    if settings.plaintext_hosts:
        yield "PLAINTEXT_HOSTS is set: connections to these hosts need no TLS."
