"""A request's transaction ends before its answer is sent.

A deferred foreign key makes COMMIT itself fail, as a serialization failure or a lost
connection would in production. The mutant is the default scope of a dependency with
`yield`: the transaction ends after the answer, so that a 2xx can precede a failure.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.dependencies import SessionDep, StateDep, get_session
from app.core.errors import Conflict, Unauthorized
from app.db.session import Database, execute, execute_only, transaction
from tests.support.people import Client, open_client
from tests.support.watch import watch_statements

LateSessionDep = Annotated[AsyncSession, Depends(get_session)]  # the mutant

INSERT = text("INSERT INTO child (id, parent_id) VALUES (:id, :parent)")
INSERT_RETURNING = text(f"{INSERT} RETURNING id")
COUNT = text("SELECT count(*) AS number FROM child WHERE id = :id")

answered: list[int] = []
router = APIRouter(prefix="/api/v1/probe")


class TokenReused(Unauthorized):
    """A refusal that commits its changes."""

    keeps_changes = True


async def insert(session: AsyncSession, child: int, parent: int | None) -> None:
    await session.execute(INSERT, {"id": child, "parent": parent})


@router.post("/early/{child}", status_code=201)
async def early(session: SessionDep, child: int, parent: int | None = None) -> None:
    await insert(session, child, parent)


@router.post("/only/{child}", status_code=201)
async def only(session: SessionDep, child: int, parent: int | None = None) -> None:
    values = {"id": child, "parent": parent}
    row = await execute_only(session, INSERT_RETURNING, values)
    assert row.id == child


@router.post("/not-only/{child}")
async def not_only(session: SessionDep, child: int, first: bool) -> None:
    if first:
        await insert(session, 100 + child, None)
    await execute_only(session, INSERT_RETURNING, {"id": child, "parent": None})
    if not first:
        await insert(session, 100 + child, None)


@router.post("/joined/{child}")
async def joined(session: SessionDep, child: int, fails: bool = False) -> None:
    await execute(session, INSERT, {"id": child, "parent": None})
    await insert(session, 100 + child, None)
    if fails:
        raise Conflict("no")


@router.post("/again/{child}")
async def again(session: SessionDep, child: int) -> None:
    await execute(session, INSERT, {"id": 100 + child, "parent": None})
    await session.rollback()
    await execute(session, INSERT, {"id": child, "parent": None})


@router.post("/many/{child}")
async def many(session: SessionDep, child: int) -> None:
    ids = child, 100 + child
    await execute(session, INSERT, *({"id": each, "parent": None} for each in ids))


@router.post("/late/{child}", status_code=201)
async def late(session: LateSessionDep, child: int, parent: int | None = None) -> None:
    await insert(session, child, parent)


@router.post("/refuse/{child}")
async def refuse(session: SessionDep, child: int) -> None:
    await insert(session, child, None)
    raise Conflict("no")


@router.post("/remember/{child}")
async def remember(session: SessionDep, child: int) -> None:
    await insert(session, child, None)
    raise TokenReused("no")


@router.post("/fail/{child}")
async def fail(session: SessionDep, child: int) -> None:
    await insert(session, child, None)
    raise ZeroDivisionError


@router.post("/background/{child}")
async def background(
    session: SessionDep, state: StateDep, tasks: BackgroundTasks, child: int
) -> None:
    async def look() -> None:
        row = await state.database.read.one_or_none(COUNT, {"id": child})
        assert row is not None
        answered.append(row.number)

    await insert(session, child, None)
    tasks.add_task(look)


class Recorder:
    """Records whether the row was committed when each answer was sent."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self.app = app
        self.database = database
        self.committed: dict[int, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        child = int(scope["path"].rpartition("/")[2])

        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.committed[child] = await has_child(self.database, child)
            await send(message)

        await self.app(scope, receive, recording_send)


async def has_child(database: Database, child: int) -> bool:
    row = await database.read.one_or_none(COUNT, {"id": child})
    assert row is not None
    return bool(row.number)


@pytest.fixture
async def probed(app: FastAPI) -> FastAPI:
    app.include_router(router)
    async with app.state.shared.database.writer.begin() as connection:
        await connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        await connection.execute(
            text(
                "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER "
                "REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    return app


@pytest.fixture
def database(probed: FastAPI) -> Database:
    database: Database = probed.state.shared.database
    return database


@pytest.fixture
def recorder(probed: FastAPI, database: Database) -> Recorder:
    return Recorder(probed, database)


@pytest.fixture
async def probe(recorder: Recorder) -> AsyncGenerator[Client]:
    async with open_client(recorder) as client:
        client.base_url = "http://test/api/v1/probe"
        yield client


class TestCommit:
    @pytest.mark.parametrize("path", ["/early/1", "/only/1"])
    async def test_comes_before_the_answer(
        self, probe: Client, recorder: Recorder, path: str
    ) -> None:
        assert (await probe.post(path)).status_code == 201
        assert recorder.committed[1]

    @pytest.mark.parametrize("path", ["/early", "/only"])
    async def test_that_fails_answers_500_and_writes_nothing(
        self, probe: Client, database: Database, path: str
    ) -> None:
        for child in range(30):
            fails = child % 3 == 0
            parameters = {"parent": 7} if fails else {}  # no such parent exists
            response = await probe.post(f"{path}/{child}", params=parameters)
            assert response.status_code == (500 if fails else 201)
            assert ("internal_error" in response.text) is fails
            assert await has_child(database, child) is not fails

    async def test_would_follow_the_answer_in_fastapi_s_default_scope(
        self, probe: Client, recorder: Recorder, database: Database
    ) -> None:
        await probe.post("/late/1")
        lost = await probe.post("/late/2", params={"parent": 7})

        assert not recorder.committed[1]
        assert lost.status_code == 201
        assert not await has_child(database, 2)

    async def test_comes_before_background_tasks(self, probe: Client) -> None:
        answered.clear()
        await probe.post("/background/1")
        assert answered == [1]


class TestStatement:
    @pytest.mark.parametrize("fails", [False, True])
    async def test_belongs_to_the_transaction_of_its_session(
        self, probe: Client, database: Database, fails: bool
    ) -> None:
        """Mutants: commit the statement by itself; use a connection of its own."""
        answer = await probe.post("/joined/1", params={"fails": fails})

        assert answer.status_code == (409 if fails else 200)
        assert await has_child(database, 1) is not fails
        assert await has_child(database, 101) is not fails

    async def test_after_a_rollback_belongs_to_the_next_transaction(
        self, probe: Client, database: Database
    ) -> None:
        """Mutant: use the connection of the first transaction."""
        assert (await probe.post("/again/1")).status_code == 200
        assert await has_child(database, 1)
        assert not await has_child(database, 101)

    async def test_takes_several_sets_of_values(
        self, probe: Client, database: Database
    ) -> None:
        """Mutant: use only the first set."""
        assert (await probe.post("/many/1")).status_code == 200
        assert await has_child(database, 1)
        assert await has_child(database, 101)

    async def test_names_a_broken_constraint(
        self, probe: Client, database: Database
    ) -> None:
        """Mutant: do not translate the error of asyncpg, which no service knows."""
        async with transaction(database) as session:
            child = {"id": 1, "parent": None}
            with pytest.raises(IntegrityError):
                await execute(session, INSERT, child, child)


class TestOnlyStatement:
    async def test_needs_no_transaction_on_postgresql(
        self, probe: Client, app: FastAPI
    ) -> None:
        """Mutant: send BEGIN, INSERT and COMMIT, which are three round trips."""
        with watch_statements() as statements:
            await probe.post("/only/1")

        own = [each for each in statements if "INSERT" in each or "BEGIN" in each]
        on_sqlite = app.state.shared.database.direct is None
        assert len(own) == (2 if on_sqlite else 1), own

    async def test_keeps_a_connection(self, probe: Client, database: Database) -> None:
        """Mutant: take a connection from the pool for each statement."""
        checkouts: list[object] = []
        engine = database.writer.sync_engine
        event.listen(engine, "checkout", lambda *each: checkouts.append(each))

        for child in range(20):
            await probe.post(f"/only/{child}")

        assert len(checkouts) < 20 or database.direct is None
        assert await has_child(database, 19)

    @pytest.mark.parametrize("overrides", [{"db_pool_size": 4, "db_max_overflow": 0}])
    async def test_lends_its_connection_to_a_transaction(
        self, probe: Client, database: Database
    ) -> None:
        """Mutant: let the transaction wait until the connection is old."""
        await probe.post("/only/1")
        async with AsyncExitStack() as stack:
            for _ in range(1 if database.direct is None else 2):
                session = await stack.enter_async_context(transaction(database))
                await session.connection()

    async def test_belongs_to_a_transaction_that_has_begun(
        self, probe: Client, database: Database
    ) -> None:
        """Mutant: commit the statement by itself although a transaction has begun."""
        assert (await probe.post("/not-only/1?first=true")).status_code == 200
        assert await has_child(database, 1)
        assert await has_child(database, 101)

    async def test_must_not_be_followed_by_another_change(
        self, probe: Client, app: FastAPI, database: Database
    ) -> None:
        """Mutant: commit the two changes separately, without an error."""
        together = app.state.shared.database.direct is None

        response = await probe.post("/not-only/1?first=false")

        assert response.status_code == (200 if together else 500)
        assert await has_child(database, 101) is together


class TestRefusal:
    async def test_rolls_back(self, probe: Client, database: Database) -> None:
        assert (await probe.post("/refuse/1")).status_code == 409
        assert not await has_child(database, 1)

    async def test_with_keeps_changes_commits(
        self, probe: Client, database: Database
    ) -> None:
        assert (await probe.post("/remember/1")).status_code == 401
        assert await has_child(database, 1)

    async def test_of_an_unexpected_error_rolls_back(
        self, probe: Client, database: Database
    ) -> None:
        response = await probe.post("/fail/1")
        assert response.status_code == 500
        assert response.json()["code"] == "internal_error"
        assert "ZeroDivision" not in response.text
        assert not await has_child(database, 1)
