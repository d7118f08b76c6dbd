"""Lists that change while somebody walks through them, page by page."""

from asyncio import Event, TaskGroup
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.product import Product, ProductStatus, StockMovement
from app.db.models.user import User
from app.db.session import Database, transaction
from tests.support.people import Client

Query = dict[str, str]
Row = Product | User | AuditEvent | AuthSession | StockMovement
Make = Callable[[int, UUID], Row]
Change = Callable[[Iterable[str]], Awaitable[None]]

START = datetime(2999, 1, 1, tzinfo=UTC)  # newer than what the fixtures have made
FIRST, LAST = 0, 9
POSITIONS = [number // 3 for number in range(3, 15)]  # three rows at each of four
SORTS = ("created_at", "-created_at", "price", "-price", "name", "-name")
chance = Random(7)  # noqa: S311
numbers = count()


def times(position: int) -> dict[str, Any]:
    """The ids have no order, so that rows of a tie lie in another than theirs."""
    instant = START + timedelta(hours=position)
    return {"id": UUID(int=chance.getrandbits(128)), "created_at": instant}


def make_product(position: int, _: UUID) -> Product:
    number = next(numbers)
    return Product(
        **times(position),
        # A search finds all of them, every other one by its title.
        sku=f"{('MUG', 'POT')[number % 2]}-{number}",
        name=f"Thing {position}",
        description="A mug.",
        price=Decimal(position),
        currency="EUR",
        stock=0,
        status=ProductStatus.ACTIVE,
        title_words=("mug ^mug", "pot ^pot")[number % 2],
        description_words="a mug",
    )


def make_user(position: int, _: UUID) -> User:
    email = f"{next(numbers)}@example.com"
    return User(**times(position), email=email, email_canonical=email, password_hash="")


def make_session(position: int, user: UUID) -> AuthSession:
    instants = ("auth_time", "rotated_at", "idle_expires_at", "expires_at")
    return AuthSession(
        **times(position),
        **dict.fromkeys(("scope", "amr", "acr", "ip", "last_ip"), ""),
        **dict.fromkeys(instants, START),
        user_id=user,
        salt=b"",
    )


def make_event(position: int, user: UUID) -> AuditEvent:
    same = times(position)
    return AuditEvent(
        id=same["id"],
        occurred_at=same["created_at"],
        event="auth.login.success",
        outcome="success",
        actor_type="system",
        subject_id=user,
        detail={},
    )


def make_movement(position: int, product: UUID) -> StockMovement:
    return StockMovement(
        **times(position), product_id=product, delta=1, stock_after=1, reason="x"
    )


PRODUCTS: list[Query] = [
    *({"sort": sort} for sort in SORTS),
    *({"sort": sort, "q": "mug"} for sort in SORTS),
    {"q": "mug"},
]
LISTS: dict[str, tuple[Make, list[Query]]] = {
    "/products": (make_product, PRODUCTS),
    "/products/{id}/movements": (make_movement, [{}]),
    "/users": (make_user, [{}]),
    "/auth/sessions": (make_session, [{}]),
    "/users/me/security-events": (make_event, [{}]),
    "/audit-events": (make_event, [{}]),
}
APPEND_ONLY = {
    "/products/{id}/movements",
    "/users/me/security-events",
    "/audit-events",
}


class Lists:
    """The lists as an administrator reads them, and rows that come and go."""

    def __init__(self, database: Database, admin: Client) -> None:
        self.database = database
        self.admin = admin
        self.id = UUID(admin.user_id)  # of an account and, as well, of a product
        self.added: dict[str, Row] = {}

    async def add(self, rows: Iterable[Row]) -> None:
        self.added |= {str(row.id): row for row in rows}
        async with transaction(self.database) as session:
            session.add_all(rows)

    async def add_one(self, make: Make, position: int, _: Iterable[str]) -> None:
        await self.add([make(position, self.id)])

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete those that were added here, and not who is reading."""
        async with transaction(self.database) as session:
            for row in [self.added.pop(each) for each in ids if each in self.added]:
                await session.delete(row)

    async def walk(self, path: str, query: Query, change: Change) -> list[str]:
        """Read page by page, and let `change` follow each, knowing its ids."""
        seen: list[str] = []
        query = {**query, "limit": "2"}
        while query.get("cursor", "") is not None:
            answer = await self.admin.get(path.format(id=self.id), params=query)
            page = answer.json()
            ids = [item["id"] for item in page["items"]]
            assert not {*ids} & {*seen}, f"{path} {query} repeats"
            seen += ids
            query["cursor"] = page["next_cursor"]
            await change(ids)
        return seen


@pytest.fixture
async def lists(app: FastAPI, admin: Client) -> Lists:
    lists = Lists(app.state.shared.database, admin)
    product = make_product(FIRST, lists.id)
    product.id = lists.id
    await lists.add([product])
    del lists.added[str(product.id)]
    return lists


def of(rows: Iterable[Row], seen: Iterable[str]) -> list[str]:
    ids = {str(row.id) for row in rows}
    return [each for each in seen if each in ids]


def in_order(rows: Iterable[Row], query: Query) -> list[str]:
    def key(row: Row) -> tuple[bool, datetime, UUID]:
        instant = row.occurred_at if isinstance(row, AuditEvent) else row.created_at
        has_title = isinstance(row, Product) and row.sku.startswith("MUG")
        return query == {"q": "mug"} and has_title, instant, row.id

    return [str(row.id) for row in sorted(rows, key=key, reverse=descends(query))]


def descends(query: Query) -> bool:
    return query.get("sort", "-").startswith("-")


@pytest.mark.parametrize("path", LISTS)
async def test_rows_that_come_and_go_neither_repeat_nor_hide_others(
    lists: Lists, path: str
) -> None:
    """Mutants: OFFSET; compare without the id; sort without it (PostgreSQL sees it)."""
    make, queries = LISTS[path]
    for query in queries:
        rows = [make(position, lists.id) for position in POSITIONS]
        await lists.add(rows)
        before = LAST if descends(query) else FIRST

        # One after the other: together they might make up for each other.
        changes: list[Change] = [partial(lists.add_one, make, before), lists.remove]
        for change in changes[: 1 if path in APPEND_ONLY else 2]:
            seen = await lists.walk(path, query, change)
            assert of(rows, seen) == in_order(rows, query), query


async def test_products_stand_still_while_others_come_and_go(lists: Lists) -> None:
    """The same, between real writers, of which one at least writes before each page."""
    rows = [make_product(position, lists.id) for position in POSITIONS]
    await lists.add(rows)
    written, finished = Event(), Event()

    async def write() -> None:
        mine: deque[Row] = deque()
        while not finished.is_set():
            mine.append(make_product(chance.randint(FIRST, LAST), lists.id))
            await lists.add([mine[-1]])
            written.set()
            if len(mine) > 3:
                await lists.remove([str(mine.popleft().id)])

    async def others_write(_: Iterable[str]) -> None:
        written.clear()
        await written.wait()

    async with TaskGroup() as group:
        for _ in range(3):
            group.create_task(write())
        for query in PRODUCTS:
            seen = await lists.walk("/products", query, others_write)
            assert of(rows, seen) == in_order(rows, query), query
        finished.set()
