"""Reading products and the movements of their stock."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select

from app.core.errors import NotFound
from app.core.tokens.cursor import CursorInvalid, CursorSigner
from app.db.models.product import Product, ProductStatus, StockMovement
from app.db.reads import ReadSession
from app.db.together import Keyed
from app.schemas.page import PageParameters
from app.schemas.product import ProductQuery, ProductRead
from app.services.accounts.principal import Principal
from app.services.listing import Listing, Order, RowPage
from app.services.products.listing import BY_RELEVANCE, PRODUCTS
from app.services.products.search import words


class ProductNotFound(NotFound):
    """No product has this id, or the caller is not allowed to see it."""

    code = "product_not_found"
    detail = "No product has this id."


# These statements are built once, because building them takes longer than sending them.
PRODUCT = Product.__table__.c
PRODUCTS_BY_ID = Keyed(
    select(*(PRODUCT[name] for name in ProductRead.model_fields)), PRODUCT.id
)
MOVEMENT = StockMovement.__table__.c
MOVEMENTS = Listing(
    select(*MOVEMENT).where(MOVEMENT.product_id == bindparam("product")),
    Order(MOVEMENT.created_at, MOVEMENT.id, descending=True),
    name="movements of {product}",
)


def sees_all(viewer: Principal | None) -> bool:
    return viewer is not None and "products:write" in viewer.scopes


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Reads products. Visitors see only active products, editors see all."""

    read: ReadSession
    cursors: CursorSigner

    async def get(self, product_id: UUID, viewer: Principal | None) -> Row[Any]:
        product = await self._get(product_id)
        if product.status is not ProductStatus.ACTIVE and not sees_all(viewer):
            raise ProductNotFound
        return product

    async def page(self, query: ProductQuery, viewer: Principal | None) -> RowPage:
        if query.q is not None and not words(query.q):
            if query.cursor is not None:
                raise CursorInvalid
            return RowPage([], None)
        listing = BY_RELEVANCE if query.by_relevance else PRODUCTS
        return await listing.page(
            self.read,
            self.cursors,
            query,
            title=query.q,
            only=None if sees_all(viewer) else ProductStatus.ACTIVE,
        )

    async def movements(self, product_id: UUID, page: PageParameters) -> RowPage:
        """List the changes of a product's stock, the newest first."""
        await self._get(product_id)
        return await MOVEMENTS.page(self.read, self.cursors, page, product=product_id)

    async def _get(self, product_id: UUID) -> Row[Any]:
        product = await self.read.by_key(PRODUCTS_BY_ID, product_id)
        if product is None:
            raise ProductNotFound
        return product
