"""The catalogue: what visitors and editors read, and what editors change."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NotFound
from app.core.signed_cursor import CursorInvalid, CursorSigner
from app.db.base import utc_now
from app.db.models import Product, ProductStatus, StockMovement
from app.db.search import FEW, words
from app.db.session import ReadSession
from app.schemas.page import PageParameters
from app.schemas.product import (
    MAX_STOCK,
    ProductCreate,
    ProductQuery,
    ProductUpdate,
    StockChange,
)
from app.services.pagination import Order, RowPage, fetch_page, fetch_parts
from app.services.product_lists import (
    COUNT_FOUND,
    FOUND,
    FOUND_BY_TITLE,
    ORDERS,
    RELEVANCE,
    WHOLE,
    Part,
    select_page,
)
from app.services.sessions import Principal
from app.services.versions import ExpectedVersion


class ProductNotFound(NotFound):
    """No such product, or none that the caller may see."""

    code = "product_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such product.")


class SkuTaken(Conflict):
    """Another product already has this SKU."""

    code = "sku_taken"


class InsufficientStock(Conflict):
    """The stock would fall below zero."""

    code = "insufficient_stock"


class StockLimitReached(Conflict):
    """The stock would rise above what a product can hold."""

    code = "stock_limit_reached"


# Statements are built once: building costs more than sending them.
PRODUCT = Product.__table__.c
# Past the mapper, whose part in it was a tenth of the request.
INSERT = insert(Product.__table__).returning(*PRODUCT)  # type: ignore[arg-type]
SELECT_ONE = select(*PRODUCT).where(PRODUCT.id == bindparam("id"))
SELECT_ONE_VISIBLE = SELECT_ONE.where(PRODUCT.status == ProductStatus.ACTIVE)
MOVEMENT = StockMovement.__table__.c
SELECT_MOVEMENTS = select(*MOVEMENT).where(MOVEMENT.product_id == bindparam("id"))
MOVEMENTS = Order(StockMovement.created_at, StockMovement.id, descending=True)


@contextmanager
def refusing_taken_sku() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        # The schema bounds price and stock: only the unique SKU is left to break.
        raise SkuTaken("Another product has this SKU.") from error


def sees_all(viewer: Principal | None) -> bool:
    return viewer is not None and "products:write" in viewer.scopes


class Catalogue:
    """Products as they are read: by visitors the active ones, by editors all."""

    def __init__(self, read: ReadSession, cursors: CursorSigner) -> None:
        self.read = read
        self.cursors = cursors

    async def get(self, product_id: UUID, viewer: Principal | None) -> Row[Any]:
        return await self._get(
            SELECT_ONE if sees_all(viewer) else SELECT_ONE_VISIBLE, product_id
        )

    async def page(self, query: ProductQuery, viewer: Principal | None) -> RowPage:
        if query.q is not None and not words(query.q):
            if query.cursor is not None:
                raise CursorInvalid
            return RowPage([], None)
        values = query.model_dump(
            exclude={"limit", "cursor", "sort"}, exclude_none=True
        )
        names = (*values, *(() if sees_all(viewer) else ("visible",)))
        values["title"] = query.q

        def part(name: Part) -> Callable[[bool], Awaitable[Select[Any]]]:
            async def statement(continued: bool) -> Select[Any]:
                narrow = query.q is not None and await self._finds_few(name, query.q)
                return select_page(
                    query.sort, names, name, narrow=narrow, continued=continued
                )

            return statement

        return await fetch_parts(
            self.read,
            [part(name) for name in (RELEVANCE if query.by_relevance else WHOLE)],
            ORDERS[query.sort],
            values,
            query,
            self.cursors,
            of="products by relevance" if query.by_relevance else "products",
        )

    async def _finds_few(self, part: Part, q: str) -> bool:
        if self.read.engine.dialect.name != "postgresql":
            return False
        found = FOUND_BY_TITLE if part == "title" else FOUND
        [[count]] = await self.read.all(COUNT_FOUND[found], {"q": q, "title": q})
        return bool(count <= FEW)

    async def movements(self, product_id: UUID, page: PageParameters) -> RowPage:
        """Changes of a product's stock, the last one first."""
        await self._get(SELECT_ONE, product_id)
        values = {"id": product_id}
        statement = MOVEMENTS.apply(SELECT_MOVEMENTS, continued=page.cursor is not None)
        return await fetch_page(
            self.read,
            statement,
            MOVEMENTS,
            values,
            page,
            self.cursors,
            of=f"movements of {product_id}",
        )

    async def _get(self, statement: Select[Any], product_id: UUID) -> Row[Any]:
        product = await self.read.one_or_none(statement, {"id": product_id})
        if product is None:
            raise ProductNotFound
        return product


class ProductService:
    """Changes to products."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def create(self, data: ProductCreate) -> Row[Any]:
        with refusing_taken_sku():
            created = await self.session.execute(INSERT, data.model_dump())
        return created.one()

    async def update(
        self,
        product_id: UUID,
        expected: ExpectedVersion,
        data: ProductUpdate,
        actor_id: UUID,
    ) -> Product:
        product = await self._lock(product_id, expected)
        stock_before = product.stock
        for field, value in data.model_dump(exclude_unset=True).items():
            setattr(product, field, value)
        with refusing_taken_sku():
            await self.session.flush()
        if product.stock != stock_before:
            delta = product.stock - stock_before
            await self._log_movement(product, delta, "product edited", actor_id)
        return product

    async def delete(self, product_id: UUID, expected: ExpectedVersion) -> None:
        await self.session.delete(await self._lock(product_id, expected))
        await self.session.flush()

    async def change_stock(
        self,
        product_id: UUID,
        expected: ExpectedVersion,
        change: StockChange,
        actor_id: UUID,
    ) -> Product:
        """Add `delta` in one statement, so that concurrent changes cannot oversell."""
        stock = Product.stock + change.delta
        if expected.accepted is not None:
            await self._lock(product_id, expected)
        product: Product | None = await self.session.scalar(
            update(Product)
            .where(Product.id == product_id, stock.between(0, MAX_STOCK))
            .values(stock=stock, version=Product.version + 1, updated_at=utc_now())
            .returning(Product)
        )
        if product is not None:
            await self._log_movement(product, change.delta, change.reason, actor_id)
            return product
        await self._lock(product_id, ExpectedVersion(None))
        if change.delta < 0:
            raise InsufficientStock("There is not as much in stock.")
        raise StockLimitReached(f"A product holds at most {MAX_STOCK}.")

    async def _log_movement(
        self, product: Product, delta: int, reason: str, actor_id: UUID
    ) -> None:
        movement = StockMovement(
            product_id=product.id,
            delta=delta,
            stock_after=product.stock,
            reason=reason,
            actor_id=actor_id,
        )
        self.session.add(movement)
        await self.session.flush()

    async def _lock(self, product_id: UUID, expected: ExpectedVersion) -> Product:
        product = await self.session.get(Product, product_id, with_for_update=True)
        if product is None:
            raise ProductNotFound
        expected.check(product.version)
        return product
