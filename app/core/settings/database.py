"""How to reach the database."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import AppSettings, PositiveSeconds, in_production, refuse

DEVELOPMENT_DATABASE_URL = "sqlite+aiosqlite:///var/app.db"
ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


class DatabaseSettings(AppSettings):
    """How to reach the database."""

    database_url: str = Field(
        "",
        repr=False,
        description="postgresql://… or sqlite:///…; development: var/app.db.",
    )
    database_replica_url: str = Field(
        "",
        repr=False,
        description="A read replica for GETs of products, users and audit events, "
        "which may then be as old as it lags; PostgreSQL only.",
    )
    db_pool_size: int = Field(
        5, ge=1, le=200, description="Connections that a worker keeps."
    )
    db_max_overflow: int = Field(0, ge=0, le=200, description="Connections beyond it.")
    db_pool_timeout_seconds: PositiveSeconds = Field(
        3.0, description="Wait for a free connection, then 503."
    )
    db_connect_timeout_seconds: PositiveSeconds = Field(
        2.0, description="Wait for a new connection, then 503."
    )
    db_pooler: Literal["none", "pgbouncer"] = Field(
        "none", description="`pgbouncer` when one in transaction mode is in between."
    )

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, url: str, info: ValidationInfo) -> str:
        refuse(not url and in_production(info), "is missing")
        return with_async_driver(url or DEVELOPMENT_DATABASE_URL)

    @field_validator("database_replica_url")
    @classmethod
    def _replica_url(cls, url: str) -> str:
        refuse(url and not url.startswith("postgres"), "must be a PostgreSQL URL")
        return with_async_driver(url) if url else url


def with_async_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    driver = ASYNC_DRIVERS.get(scheme, scheme)
    known = driver.startswith("postgresql+") or driver == "sqlite+aiosqlite"
    refuse(not separator or not known, "must start with postgresql:// or sqlite:///")
    memory = driver.startswith("sqlite") and rest.strip("/") in {"", ":memory:"}
    refuse(memory, "must name a database file")
    refuse(
        driver.startswith("postgresql") and not _has_port_or_none(url),
        "has a port that is no number; in a password write %2F for / and %3A for :",
    )
    return f"{driver}://{rest}"


def _has_port_or_none(url: str) -> bool:
    try:
        urlsplit(url).port  # noqa: B018 - reading it is the check
    except ValueError:
        return False
    return True
