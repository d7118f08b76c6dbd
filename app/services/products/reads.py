"""The catalogue as visitors and editors read it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select

from app.core.errors import NotFound
from app.core.tokens.cursor import CursorInvalid, CursorSigner
from app.db.models.product import Product, ProductStatus, StockMovement
from app.db.session import ReadSession
from app.schemas.page import PageParameters
from app.schemas.product import ProductQuery, ProductRead
from app.services.accounts.principal import Principal
from app.services.listing import Order, RowPage, fetch_page, fetch_parts
from app.services.products.listing import (
    COUNT_FOUND,
    FOUND,
    FOUND_BY_TITLE,
    ORDERS,
    RELEVANCE,
    WHOLE,
    Part,
    select_page,
)
from app.services.products.search import FEW, words


class ProductNotFound(NotFound):
    """No such product, or none that the caller may see."""

    code = "product_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such product.")


# Statements are built once: building costs more than sending them.
PRODUCT = Product.__table__.c
SELECT_ONE = select(*(PRODUCT[name] for name in ProductRead.model_fields))
SELECT_ONE = SELECT_ONE.where(PRODUCT.id == bindparam("id"))
SELECT_ONE_VISIBLE = SELECT_ONE.where(PRODUCT.status == ProductStatus.ACTIVE)
MOVEMENT = StockMovement.__table__.c
SELECT_MOVEMENTS = select(*MOVEMENT).where(MOVEMENT.product_id == bindparam("id"))
MOVEMENTS = Order(StockMovement.created_at, StockMovement.id, descending=True)


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
