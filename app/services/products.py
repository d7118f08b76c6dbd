"""The catalogue: what visitors and editors read, and what editors change."""

from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NotFound
from app.core.signed_cursor import CursorSigner
from app.db.base import utc_now
from app.db.models import Product, ProductStatus
from app.db.session import ReadSession
from app.schemas.product import (
    MAX_STOCK,
    ProductCreate,
    ProductQuery,
    ProductUpdate,
    StockChange,
)
from app.services.pagination import Order, RowPage, fetch_page
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
VISIBLE = PRODUCT.status == ProductStatus.ACTIVE
SELECT_ONE = select(*PRODUCT).where(PRODUCT.id == bindparam("id"))
SELECT_ONE_VISIBLE = SELECT_ONE.where(VISIBLE)
FILTERS = {
    "category": PRODUCT.category == bindparam("category"),
    "status": PRODUCT.status == bindparam("status"),
    "min_price": PRODUCT.price >= bindparam("min_price"),
    "max_price": PRODUCT.price <= bindparam("max_price"),
    "in_stock": (PRODUCT.stock > 0) == bindparam("in_stock"),
}
ORDERS = {
    sign + column.key: Order(column, Product.id, descending=bool(sign))
    for column in (Product.created_at, Product.price, Product.name)
    for sign in ("", "-")
}


@lru_cache(maxsize=1024)
def select_page(
    sort: str, filters: tuple[str, ...], *, visible: bool, continued: bool
) -> Select[Any]:
    statement = select(*PRODUCT).where(*(FILTERS[name] for name in filters))
    if visible:
        statement = statement.where(VISIBLE)
    return ORDERS[sort].apply(statement, continued=continued)


def sees_all(viewer: Principal | None) -> bool:
    return viewer is not None and "products:write" in viewer.scopes


class Catalogue:
    """Products as they are read: by visitors the active ones, by editors all."""

    def __init__(self, read: ReadSession, cursors: CursorSigner) -> None:
        self.read = read
        self.cursors = cursors

    async def get(self, product_id: UUID, viewer: Principal | None) -> Row[Any]:
        statement = SELECT_ONE if sees_all(viewer) else SELECT_ONE_VISIBLE
        product = await self.read.one_or_none(statement, {"id": product_id})
        if product is None:
            raise ProductNotFound
        return product

    async def page(self, query: ProductQuery, viewer: Principal | None) -> RowPage:
        values = query.model_dump(include=set(FILTERS), exclude_none=True)
        statement = select_page(
            query.sort,
            tuple(values),
            visible=not sees_all(viewer),
            continued=query.cursor is not None,
        )
        order = ORDERS[query.sort]
        return await fetch_page(
            self.read, statement, order, values, query, self.cursors
        )


class ProductService:
    """Changes to products."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def create(self, data: ProductCreate) -> Product:
        product = Product(**data.model_dump())
        self.session.add(product)
        await self._flush(product)
        return product

    async def update(
        self, product_id: UUID, expected: ExpectedVersion, data: ProductUpdate
    ) -> Product:
        product = await self._lock(product_id, expected)
        for field, value in data.model_dump(exclude_unset=True).items():
            setattr(product, field, value)
        await self._flush(product)
        return product

    async def delete(self, product_id: UUID, expected: ExpectedVersion) -> None:
        await self.session.delete(await self._lock(product_id, expected))
        await self.session.flush()

    async def change_stock(self, product_id: UUID, change: StockChange) -> Product:
        """Add `delta` in one statement, so that concurrent changes cannot oversell."""
        stock = Product.stock + change.delta
        product: Product | None = await self.session.scalar(
            update(Product)
            .where(Product.id == product_id, stock.between(0, MAX_STOCK))
            .values(stock=stock, version=Product.version + 1, updated_at=utc_now())
            .returning(Product)
        )
        if product is not None:
            return product
        await self._lock(product_id, ExpectedVersion(None))
        if change.delta < 0:
            raise InsufficientStock("There is not as much in stock.")
        raise StockLimitReached(f"A product holds at most {MAX_STOCK}.")

    async def _lock(self, product_id: UUID, expected: ExpectedVersion) -> Product:
        product = await self.session.get(Product, product_id, with_for_update=True)
        if product is None:
            raise ProductNotFound
        expected.check(product.version)
        return product

    async def _flush(self, product: Product) -> None:
        try:
            await self.session.flush()
        except IntegrityError as error:
            # The schema bounds price and stock: only the unique SKU is left to break.
            raise SkuTaken("Another product has this SKU.") from error
