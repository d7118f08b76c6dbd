"""Database."""

import os.path
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import (
    AppSettings,
    PositiveSeconds,
    in_production,
    refuse,
    refuse_default_password,
    refuse_plaintext,
    split_url,
)

DEVELOPMENT_DATABASE_URL = "sqlite+aiosqlite:///var/app.db"
ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
# Parameters of a URL, as in libpq. `app.db.postgresql` passes them to asyncpg.
TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
TLS_PARAMETERS = ("sslmode", *TLS_FILES)
ENCRYPTING = ("require", "verify-ca", "verify-full")
SSL_MODES = ("disable", "allow", "prefer", *ENCRYPTING)


class DatabaseSettings(AppSettings):
    """Database."""

    database_url: str = Field("", repr=False)
    """The database: `postgresql://user:password@host/name` or `sqlite:///path`.
    Production needs this setting; elsewhere the default is the SQLite file var/app.db.
    The parameter `?sslmode=` chooses TLS, and `sslrootcert`, `sslcert`, `sslkey` and
    `sslcrl` name the files for TLS. Outside development, a PostgreSQL on another
    machine needs `sslmode=require` (or `verify-ca`, `verify-full`) or an entry in
    PLAINTEXT_HOSTS.
    """

    database_replica_url: str = Field("", repr=False)
    """A PostgreSQL read replica. Lists, single reads and exports use this replica, so
    their answers can be slightly stale. Writes and access checks use DATABASE_URL.
    """

    db_pool_size: int = Field(5, ge=1, le=200)
    """Connections that each worker keeps open. Half of them (rounded down, at least
    one) are for reads and for finding out who is calling. The other connections (at
    least one) are for changes and exports. With a replica, each worker also opens
    DB_POOL_SIZE connections to the replica. One additional connection is for health
    probes. On SQLite, DB_POOL_SIZE is the number of connections for reads.
    """

    db_max_overflow: int = Field(0, ge=0, le=200)
    """Connections that each worker opens beyond DB_POOL_SIZE under load and closes
    again. The worker divides these connections in the same way as those of
    DB_POOL_SIZE. PostgreSQL only.
    """

    db_pool_timeout_seconds: PositiveSeconds = 3.0
    """Seconds that a request waits for a free connection before it gets a 503.
    PostgreSQL only.
    """

    db_connect_timeout_seconds: PositiveSeconds = 2.0
    """Seconds that a new connection can take to open before the request gets a 503.
    PostgreSQL only.
    """

    db_lock_timeout_seconds: float = Field(2.0, ge=0.001)
    """Seconds that a statement waits for a locked row or table before the request gets
    a 503. PostgreSQL only.
    """

    db_statement_timeout_seconds: float = Field(4.0, ge=0.001)
    """Seconds that a statement can run before the request gets a 503. Must exceed
    DB_LOCK_TIMEOUT_SECONDS. PostgreSQL only.
    """

    db_pooler: Literal["none", "pgbouncer"] = "none"
    """Set to `pgbouncer` if connections go through PgBouncer in transaction mode."""

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, url: str, info: ValidationInfo) -> str:
        refuse(not url and in_production(info), "is missing in production")
        return checked(with_async_driver(url or DEVELOPMENT_DATABASE_URL), info)

    @field_validator("database_replica_url")
    @classmethod
    def _replica_url(cls, url: str, info: ValidationInfo) -> str:
        refuse(url and not url.startswith("postgres"), "must be a PostgreSQL URL")
        return checked(with_async_driver(url), info) if url else url

    @property
    def on_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_file(self) -> Path:
        return Path(self.database_url.partition(":///")[2].partition("?")[0])

    @property
    def lacks_file(self) -> bool:
        return self.on_sqlite and not self.sqlite_file.exists()

    @field_validator("db_statement_timeout_seconds")
    @classmethod
    def _outlasts_locks(cls, timeout: float, info: ValidationInfo) -> float:
        refuse(
            info.data.get("db_lock_timeout_seconds", 0) >= timeout,
            "must be longer than DB_LOCK_TIMEOUT_SECONDS",
        )
        return timeout

    @property
    def db_timeouts(self) -> dict[str, str]:
        """The settings of PostgreSQL that bound a statement, in milliseconds."""
        return {
            "lock_timeout": f"{self.db_lock_timeout_seconds * 1000:.0f}",
            "statement_timeout": f"{self.db_statement_timeout_seconds * 1000:.0f}",
        }


def with_async_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    driver = ASYNC_DRIVERS.get(scheme, scheme)
    known = driver.startswith("postgresql+") or driver == "sqlite+aiosqlite"
    refuse(not separator or not known, "must start with postgresql:// or sqlite:///")
    memory = driver.startswith("sqlite") and rest.strip("/") in {"", ":memory:"}
    refuse(memory, "must name a database file")
    return f"{driver}://{rest}"


def checked(url: str, info: ValidationInfo) -> str:
    """Return the URL if asyncpg understands it and the environment allows it."""
    if url.startswith("sqlite"):
        return url
    parts = split_url(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    refuse(
        query.keys() - {"host", "port", *TLS_PARAMETERS},
        f"can only have the parameters host, port, {', '.join(TLS_PARAMETERS)}",
    )
    mode = query.get("sslmode", "prefer")
    refuse(
        mode not in SSL_MODES,
        f"must have one of these as sslmode: {', '.join(SSL_MODES)}",
    )
    files = [query[name] for name in TLS_FILES if name in query]
    refuse(not all(map(os.path.isfile, files)), "names a TLS file that does not exist")
    refuse(
        mode.startswith("verify") and "sslrootcert" not in query,
        "must name the file of the CA as sslrootcert, because this sslmode verifies "
        "the certificate of the server",
    )
    refuse_default_password(parts, info)
    host = query.get("host", parts.hostname or "")
    refuse_plaintext(host.partition(":")[0], mode in ENCRYPTING, info)
    return url
