"""Creating, changing and deleting products."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.core.preconditions import ExpectedVersion
from app.db.base import utc_now
from app.db.models.product import Product, StockMovement
from app.db.session import execute_only
from app.schemas.product import (
    MAX_STOCK,
    ProductCreate,
    ProductRead,
    ProductUpdate,
    StockChange,
)
from app.services.audit import record
from app.services.products.reads import ProductNotFound
from app.services.products.search import SEARCHED, search_columns


class SkuTaken(Conflict):
    """Another product already has this SKU."""

    code = "sku_taken"


class InsufficientStock(Conflict):
    """The stock would fall below zero."""

    code = "insufficient_stock"


class StockLimitReached(Conflict):
    """The stock would exceed the maximum."""

    code = "stock_limit_reached"


# This statement does not use the ORM, because the ORM took a tenth of the time of a
# request.
INSERT = insert(Product.__table__).returning(  # type: ignore[arg-type]
    *(Product.__table__.c[name] for name in ProductRead.model_fields)
)


@contextmanager
def refusing_taken_sku() -> Iterator[None]:
    """Raise `SkuTaken` if the block breaks a constraint of the table."""
    try:
        yield
    except IntegrityError as error:
        # The schema of the request limits price and stock, so only the SKU can fail.
        raise SkuTaken("Another product already has this SKU.") from error


class ProductService:
    """Changes products, and logs each change of their stock."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def create(self, data: ProductCreate) -> Row[Any]:
        values = data.model_dump()
        values |= search_columns(values)
        with refusing_taken_sku():
            created: Row[Any] = await execute_only(self.session, INSERT, values)
        return created

    async def update(
        self,
        product_id: UUID,
        expected: ExpectedVersion,
        data: ProductUpdate,
        actor_id: UUID,
    ) -> Product:
        product = await self._lock(product_id, expected)
        stock_before, price_before = product.stock, _price(product)
        for field, value in data.model_dump(exclude_unset=True).items():
            setattr(product, field, value)
        if self.session.is_modified(product):
            searched = {name: getattr(product, name) for name in SEARCHED}
            for field, value in search_columns(searched).items():
                setattr(product, field, value)
        with refusing_taken_sku():
            await self.session.flush()
        if product.stock != stock_before:
            delta = product.stock - stock_before
            await self._log_movement(product, delta, "product edited", actor_id)
        if (price := _price(product)) != price_before:
            record(
                self.session,
                "product.price_changed",
                product_id,
                sku=product.sku,
                old=price_before,
                new=price,
            )
        return product

    async def delete(self, product_id: UUID, expected: ExpectedVersion) -> None:
        product = await self._lock(product_id, expected)
        await self.session.delete(product)
        await self.session.flush()
        record(self.session, "product.deleted", product_id, sku=product.sku)

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
        product = await self._lock(product_id, ExpectedVersion(None))
        if change.delta < 0:
            raise InsufficientStock(f"Only {product.stock} left in stock.")
        raise StockLimitReached(f"The stock must not exceed {MAX_STOCK}.")

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


def _price(product: Product) -> str:
    return f"{product.price} {product.currency}"
