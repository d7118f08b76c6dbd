"""The database, its schema, and on PostgreSQL its server."""

from collections.abc import AsyncIterator
from time import perf_counter

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.checks import Finding, judge, refused
from app.core.config import Settings
from app.db import migrate
from app.db.base import utc_now
from app.db.revisions import OWN, RELEASED, Revisions, SchemaBehind
from app.db.session import Database

OUTAGE = "docs/operations.md#what-happens-when-something-fails"
SIZES = "docs/operations.md#how-do-i-size-pools-workers-and-timeouts"
START = "docs/operations.md#how-do-i-start-and-stop-the-service"
SKEW_SECONDS = 2
LONG_SECONDS = 60
OTHERS = 3  # connections: one of a mail worker, two of `db upgrade`
SERVER = text("""
SELECT current_setting('server_version') AS version,
    extract(epoch FROM clock_timestamp())::float AS now,
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int AS room,
    current_setting('idle_in_transaction_session_timeout') AS idle,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND now() - xact_start > make_interval(secs => :long)) AS long
""")


async def check(settings: Settings) -> AsyncIterator[Finding]:
    fix = "Start the database, and check DATABASE_URL."
    if settings.lacks_file:  # SQLite would create it
        value = f"{settings.sqlite_file} does not exist"
        yield Finding("database.connection", "failed", value, fix, OUTAGE)
        return
    async with Database(settings) as database:
        began = perf_counter()
        try:
            async with database.probe.connect() as connection:
                await connection.execute(text("SELECT 1"))
                took = f"answered after {(perf_counter() - began) * 1000:.0f} ms"
                yield Finding("database.connection", "ok", took)
                if not settings.on_sqlite:
                    async for finding in of_server(settings, connection):
                        yield finding
        except Exception as error:  # each error means that the database does not answer
            yield refused("database.connection", error, fix, OUTAGE)
            return
    yield await of_schema(settings)


async def of_schema(settings: Settings) -> Finding:
    name, revisions = "database.schema", Revisions(RELEASED, OWN)
    heads = await migrate.current(settings)
    try:
        revisions.check(heads)
    except SchemaBehind as error:
        return Finding(name, "failed", str(error), "Run `db upgrade`.", START)
    return judge(
        name,
        ok=heads <= revisions.known,
        value=f"at {', '.join(sorted(heads))}",
        fix="The schema is of a newer release. Deploy that release when you can.",
        link=START,
    )


async def of_server(
    settings: Settings, connection: AsyncConnection
) -> AsyncIterator[Finding]:
    asked_at = utc_now().timestamp()
    row = (await connection.execute(SERVER, {"long": LONG_SECONDS})).one()
    yield Finding("database.version", "ok", f"PostgreSQL {row.version}")
    skew = abs(row.now - asked_at)
    yield judge(
        "database.clock",
        ok=skew <= SKEW_SECONDS,
        value=f"differs by {skew:.1f} s from this machine",
        fix="Synchronise the clocks by NTP.",
        link=OUTAGE,
    )
    processes = settings.rate_limit_expected_instances * settings.web_concurrency
    needed = OTHERS + processes * (settings.db_pool_size + settings.db_max_overflow + 1)
    yield judge(
        "database.connections",
        ok=needed <= row.room,
        value=f"up to {needed} of {row.room}, with {processes} workers",
        fix="Lower DB_POOL_SIZE or WEB_CONCURRENCY, or raise max_connections.",
        link=SIZES,
    )
    yield judge(
        "database.idle_timeout",
        ok=row.idle != "0",
        value=f"idle_in_transaction_session_timeout is {row.idle}",
        fix="Set this timeout on the role, so that a transaction left open ends.",
        link=SIZES,
    )
    yield judge(
        "database.transactions",
        ok=row.long == 0,
        value=f"{row.long} are older than {LONG_SECONDS} s",
        fix="Find them in pg_stat_activity: they hold locks and old rows.",
        link=OUTAGE,
    )
    yield judge(
        "database.role",
        ok=not row.is_superuser,
        value="is a superuser" if row.is_superuser else "is no superuser",
        fix="Use a role that only owns its database.",
        link=START,
    )
