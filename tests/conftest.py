"""Real databases for every test: SQLite alone, and PostgreSQL with Valkey.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers that the tests use instead of
starting their own. Each test empties the Redis database, so use one process with a
Redis of your own: `make test ARGS=-n0`.
"""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from fastapi import FastAPI
from sqlalchemy import make_url

from app.core.config import Settings
from app.core.logging import writer
from app.db import migrate
from app.db.session import Database
from app.main import create_application
from testbed import patience
from testbed.postgres import execute, start_postgres
from testbed.valkey import ValkeyServer, start_valkey
from tests.notes.model import create_table, drop_table
from tests.notes.served import ROUTERS_WITH_NOTES, NotesSettings
from tests.support.databases import Databases
from tests.support.declared import document
from tests.support.memory import remember_endpoints
from tests.support.people import Client, People, open_client

logging.getLogger("httpx2").setLevel(logging.WARNING)
# The tests ignore the settings in the environment variables of the machine.
for name in (*NotesSettings.model_fields, "fastapi_env"):
    os.environ.pop(name.upper(), None)
os.environ["DEFAULTS"] = str(patience.SETTINGS["defaults"])
patience.let_hypothesis_take_its_time()
remember_endpoints()
LONGEST = {"test_resource.py", "test_schemathesis.py"}  # more than a minute each


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, name="patience")
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than in production. Tests of an outage override this fixture."""
    for name, value in patience.CONSTANTS.items():
        monkeypatch.setattr(name, value)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a server on which the tests can create databases."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    directory = tmp_path_factory.mktemp("postgres")
    with start_postgres(directory, options={"synchronous_commit": "off"}) as server:
        yield server.url


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis or Valkey."""
    url = os.environ.get("TEST_REDIS_URL")
    if url is None:
        server: ValkeyServer = request.getfixturevalue("valkey")
        url = server.url
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return f"{url}{'&' if '?' in url else '?'}{patience.REDIS_URL_QUERY}"


@pytest.fixture(scope="session")
def sqlite_directory() -> Iterator[Path]:
    """Use memory if possible, because a sync of a busy disk is slow."""
    memory = Path("/dev/shm")  # noqa: S108 - each run makes a directory of its own there
    with tempfile.TemporaryDirectory(
        prefix="test-", dir=memory if os.access(memory, os.W_OK) else None
    ) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def sqlite_template(sqlite_directory: Path) -> Path:
    file = sqlite_directory / "template.db"
    asyncio.run(make_schema(make_settings(database_url=f"sqlite:///{file}")))
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    name = f"test_template_{uuid4().hex}"
    url = make_url(postgres_url).set(database=name)
    asyncio.run(execute(postgres_url, f"CREATE DATABASE {name}"))
    settings = make_settings(database_url=url.render_as_string(hide_password=False))
    asyncio.run(make_schema(settings))
    yield name
    asyncio.run(execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def sqlite_database_url(sqlite_template: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=sqlite_template.parent) as directory:
        file = shutil.copy(sqlite_template, directory)
        yield f"sqlite:///{file}"


@pytest.fixture(scope="session")
def postgres_databases(
    postgres_url: str, postgres_template: str
) -> Iterator[Databases]:
    databases = Databases(postgres_url, postgres_template)
    yield databases
    databases.drop()


@pytest.fixture
def postgres_database_url(postgres_databases: Databases) -> Iterator[str]:
    with postgres_databases.borrow() as url:
        yield url


@pytest.fixture
def replica_url(postgres_databases: Databases) -> Iterator[str]:
    """A second, empty database that acts as a replica."""
    with postgres_databases.borrow() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The two ways to run: SQLite alone, or PostgreSQL with Valkey."""
    return str(request.param)


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest) -> str:
    fixture = backend.replace("postgresql", "postgres") + "_database_url"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings that a test changes. Parametrize or override this fixture."""
    return {}


@pytest.fixture
def settings(
    backend: str,
    database_url: str,
    overrides: dict[str, Any],
    request: pytest.FixtureRequest,
) -> Settings:
    url = request.getfixturevalue("redis_url") if backend == "postgresql" else ""
    return make_settings(
        **{"database_url": database_url, "redis_url": url, **overrides}
    )


@pytest.fixture
async def without_notes(settings: Settings) -> None:
    """Drop the table of notes: it refers to users, and no migration knows it."""
    async with Database(settings) as database:
        await drop_table(database.writer)


@pytest.fixture
async def app(settings: Settings) -> AsyncGenerator[FastAPI]:
    document()  # builds an application, which would configure the log during the test
    app = create_application(settings, ROUTERS_WITH_NOTES)
    async with app.router.lifespan_context(app):
        yield app
    writer.drain()  # before the capture of the next test begins


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[Client]:
    """A client without a token."""
    async with open_client(app) as client:
        yield client


@pytest.fixture
async def people(app: FastAPI) -> AsyncGenerator[People]:
    """Creates accounts and logs them in."""
    async with AsyncExitStack() as stack:
        yield People(app, stack)


@pytest.fixture
async def user(people: People) -> Client:
    return await people.sign_in("user")


@pytest.fixture
async def editor(people: People) -> Client:
    return await people.sign_in("editor")


@pytest.fixture
async def admin(people: People) -> Client:
    return await people.sign_in("admin")


def make_settings(**values: Any) -> Settings:
    defaults: dict[str, Any] = {
        "log_format": "json",
        "public_base_url": "http://test",
        "outbox_in_process": False,
        "environment": "development",
        "secret_key": "a-key-of-the-tests-0123456789-abcdef",
        **patience.SETTINGS,
    }
    return NotesSettings(_env_file=None, **defaults | values)


async def make_schema(settings: Settings) -> None:
    await migrate.upgrade(settings)
    async with Database(settings) as database:
        await create_table(database.writer)
