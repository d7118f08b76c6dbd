"""Callers that read at the same moment share one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import Executable, bindparam, delete, select, update

from app.core.errors import Overloaded
from app.db import together
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.db.reads import ReadSession
from app.db.session import Database, transaction
from app.db.together import MOST_KEYS, Keyed, Together
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in
from tests.support.watch import watch_statements

USER = User.__table__.c
NAMES = Keyed(select(USER.id, USER.full_name), USER.id)

# Without this limit, a reader that waits for ever would stop the whole suite.
pytestmark = pytest.mark.usefixtures("in_time")


@pytest.fixture
async def in_time() -> Any:
    async with asyncio.timeout(60):
        yield


@pytest.fixture
def database(app: FastAPI) -> Database:
    database: Database = app.state.shared.database
    return database


class Gate:
    """Runs queries, and holds back the answers until `open` is set."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.open = asyncio.Event()
        self.open.set()
        self.queries: list[Mapping[str, Any]] = []
        self.asked = asyncio.Event()
        self.error: Exception | None = None

    async def read(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        self.queries.append(values)
        rows = await self.database.read.all(statement, values)
        self.asked.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return rows

    def together(self) -> Together:
        dialect = self.database.writer.dialect.name
        return Together(self.read, NAMES.statement(dialect), "id")


@pytest.fixture
def gate(database: Database) -> Gate:
    return Gate(database)


async def add_users(people: People, number: int) -> list[User]:
    return [await people.add(full_name=str(name)) for name in range(number)]


async def waiting(*calls: Awaitable[Any]) -> list["asyncio.Task[Any]"]:
    """Start calls, and let each run until it waits."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_sees_what_was_committed_before_it_asked(
    gate: Gate, people: People
) -> None:
    """Mutant: join a query that has begun already."""
    [user] = await add_users(people, 1)
    names = gate.together()
    gate.open.clear()
    [early] = await waiting(names.ask(user.id))
    await gate.asked.wait()

    async with transaction(gate.database) as session:
        await session.execute(update(User).values(full_name="new"))
    [late] = await waiting(names.ask(user.id))
    gate.open.set()

    assert (await early).full_name == "0"
    assert (await late).full_name == "new"


class TestSharedRead:
    """Rows that many callers read with the same values at the same moment."""

    NAMED = select(USER.full_name).where(USER.id == bindparam("id"))

    async def test_is_one_query_for_the_same_values(
        self, database: Database, people: People
    ) -> None:
        """Mutants: run a query for each caller; run one query for different values."""
        ada, bob = [await people.add(full_name=name) for name in ("Ada", "Bob")]
        ids = [ada.id, bob.id] * 20

        with watch_statements() as statements:
            answers = await asyncio.gather(
                *(database.read.shared(self.NAMED, {"id": each}) for each in ids)
            )

        assert [rows[0].full_name for rows in answers] == ["Ada", "Bob"] * 20
        # For each id, the first caller asks alone and the other 19 share a query.
        assert len(statements) == 4
        assert not database.read._shared

    async def test_sees_what_was_committed_before_it_asked(
        self, database: Database, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: join a query that has begun already."""
        user = await people.add(full_name="before")
        gate, values = Gate(database), {"id": user.id}
        reader = ReadSession(database.reader, database.reader, database.read.direct)
        monkeypatch.setattr(reader, "all", gate.read)
        gate.open.clear()
        early = asyncio.create_task(reader.shared(self.NAMED, values))
        await gate.asked.wait()
        async with transaction(database) as session:
            await session.execute(update(User).values(full_name="after"))

        late = asyncio.create_task(reader.shared(self.NAMED, values))
        await asyncio.sleep(0)
        gate.open.set()

        assert [(await each)[0].full_name for each in (early, late)] == [
            "before",
            "after",
        ]


async def test_gives_each_caller_its_own_row(gate: Gate, people: People) -> None:
    """Mutant: answer in the order of the rows."""
    users = await add_users(people, 20)
    wanted = [user.id for user in users] * 3 + [uuid4()]
    wanted.sort(key=lambda id: id.bytes[::-1])
    names = gate.together()

    rows = await asyncio.gather(*map(names.ask, wanted))

    known = {user.id: user.full_name for user in users}
    assert [row and row.full_name for row in rows] == [known.get(id) for id in wanted]
    assert len(gate.queries) == 1


async def test_asks_for_a_bounded_number_of_keys(gate: Gate) -> None:
    """Mutant: run one query for all callers that wait."""
    names = gate.together()

    await asyncio.gather(*(names.ask(uuid4()) for _ in range(3 * MOST_KEYS)))

    assert [len(query["keys"]) for query in gate.queries] == [MOST_KEYS] * 3


async def test_never_forgets_a_caller(gate: Gate) -> None:
    """Mutant: end the query in a callback, too late for a caller who asks before it."""
    names = gate.together()

    for _ in range(50):
        assert await names.ask(uuid4()) is None


async def test_answers_the_other_callers_when_one_leaves(
    gate: Gate, people: People
) -> None:
    """Mutant: cancel the query with the caller who started it."""
    users = await add_users(people, 2)
    names = gate.together()
    gate.open.clear()
    first, second = await waiting(*(names.ask(user.id) for user in users))
    first.cancel()
    await gate.asked.wait()
    gate.open.set()

    assert (await second).full_name == "1"
    assert first.cancelled()
    assert (await names.ask(users[0].id)).full_name == "0"


async def test_gives_an_error_to_each_caller_of_the_query_and_to_no_other(
    gate: Gate, people: People
) -> None:
    """Mutants: answer only the first caller; begin no query after an error."""
    [user] = await add_users(people, 1)
    names = gate.together()
    gate.error = Overloaded()

    outcomes = await asyncio.gather(
        *(names.ask(user.id) for _ in range(5)), return_exceptions=True
    )
    gate.error = None

    assert [type(outcome) for outcome in outcomes] == [Overloaded] * 5
    assert (await names.ask(user.id)).full_name == "0"


async def test_does_not_wait_behind_a_query_that_hangs(
    gate: Gate, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: run one query at a time, even while that query hangs."""
    monkeypatch.setattr(together, "PATIENCE_SECONDS", 0)
    [user] = await add_users(people, 1)
    names = gate.together()
    gate.open.clear()
    [hanging] = await waiting(names.ask(user.id))
    await gate.asked.wait()
    gate.open = asyncio.Event()
    gate.open.set()

    assert (await names.ask(user.id)).full_name == "0"
    assert not hanging.done()
    hanging.cancel()


async def test_does_not_run_in_the_context_of_a_caller(gate: Gate) -> None:
    """Otherwise the log lines of the query would contain the request id of a caller."""
    variable = ContextVar("variable", default="nothing")
    seen = []
    read = gate.read

    async def look(*arguments: Any) -> Any:
        seen.append(variable.get())
        return await read(*arguments)

    gate.read = look  # type: ignore[assignment,method-assign]
    names = gate.together()
    variable.set("a request")

    await names.ask(uuid4())

    assert seen == ["nothing"]


async def test_passes_the_time_to_the_parameter_called_now(
    database: Database, people: People
) -> None:
    user = await people.add()
    now = bindparam("now", type_=USER.created_at.type)
    old = Keyed(select(USER.id).where(USER.created_at <= now), USER.id)
    new = Keyed(select(USER.id).where(USER.created_at > now), USER.id)

    assert await database.read.by_key(old, user.id) is not None
    assert await database.read.by_key(new, user.id) is None


End = Callable[[FastAPI, Client], Awaitable[None]]


async def log_out(app: FastAPI, user: Client) -> None:
    body = {"refresh_token": user.tokens["refresh_token"]}
    assert (await user.post("/auth/logout", json=body)).status_code == 204


async def deactivate(app: FastAPI, user: Client) -> None:
    async with transaction(app.state.shared.database) as session:
        values = {"is_active": False}
        here = User.id == UUID(user.user_id)
        await session.execute(update(User).where(here).values(values))


async def delete_session(app: FastAPI, user: Client) -> None:
    async with transaction(app.state.shared.database) as session:
        here = AuthSession.user_id == UUID(user.user_id)
        await session.execute(delete(AuthSession).where(here))


@pytest.mark.parametrize("end", [log_out, deactivate, delete_session])
@pytest.mark.parametrize("overrides", [{"rate_limit_enabled": False}])
async def test_a_revoked_token_is_refused_at_once(
    app: FastAPI, people: People, end: End
) -> None:
    """Mutants: join a running query; remember callers for a moment."""
    others = [await people.sign_in() for _ in range(4)]
    revoked = asyncio.Event()

    async def read_on(client: Client) -> None:
        while not revoked.is_set():
            assert (await client.get("/users/me")).status_code == 200

    async with asyncio.TaskGroup() as busy:
        for other in others * 4:
            busy.create_task(read_on(other))
        for _ in range(5):
            user = await people.sign_in()
            token = user.tokens["access_token"]
            assert await is_logged_in(user, token)
            await end(app, user)
            assert not await is_logged_in(user, token)
        revoked.set()
