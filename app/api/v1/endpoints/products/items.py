from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.api.authentication import VisitorDep, caller_with
from app.api.authorization import public
from app.api.conditional_requests import (
    ConditionalGetDep,
    ExpectedVersionDep,
    RequiredVersionDep,
    TaggedDep,
)
from app.api.dependencies import SessionDep, StateDep
from app.api.errors import documented
from app.api.idempotency import Idempotent
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.core.tokens.cursor import CursorInvalid
from app.db.models.product import Product
from app.schemas.page import Page, PageParameters
from app.schemas.product import (
    ProductCreate,
    ProductQuery,
    ProductRead,
    ProductUpdate,
    StockChange,
    StockMovementRead,
)
from app.services.accounts.principal import Principal
from app.services.listing import RowPage
from app.services.products.reads import Catalogue, ProductNotFound
from app.services.products.writes import (
    InsufficientStock,
    ProductService,
    SkuTaken,
    StockLimitReached,
)


async def get_catalogue(state: StateDep) -> Catalogue:
    return Catalogue(state.database.replica, state.cursors)


async def get_product_service(session: SessionDep) -> ProductService:
    return ProductService(session)


CatalogueDep = Annotated[Catalogue, Depends(get_catalogue)]
ProductServiceDep = Annotated[ProductService, Depends(get_product_service)]
ProductEditor = Annotated[Principal, caller_with("products:write")]

router = api_router(
    "/products", tags=["products"], about="The catalogue: products and their stock."
)

SHOP_WINDOW = public("Visitors see active products.")
SEARCH_COST = 4  # requests: a search reads many entries of the index of words


def cost_of_list(request: Request) -> int:
    return SEARCH_COST if request.query_params.get("q") else 1


@router.get(
    "",
    response_model=Page[ProductRead],
    responses=documented(CursorInvalid),
    openapi_extra=SHOP_WINDOW,
)
@limited("all", cost=cost_of_list, shown=True)
async def list_products(
    viewer: VisitorDep,
    catalogue: CatalogueDep,
    query: Annotated[ProductQuery, Query()],
) -> RowPage:
    """List products. Visitors see active ones, and editors see all."""
    return await catalogue.page(query, viewer)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=ProductRead,
    responses=documented(SkuTaken),
)
async def create_product(
    _: ProductEditor,
    _once: Idempotent,
    products: ProductServiceDep,
    request: Request,
    response: Response,
    tagged: TaggedDep,
    data: ProductCreate,
) -> Any:
    """Create a product. No two products can have the same SKU."""
    product = tagged(await products.create(data))
    response.headers["Location"] = f"{request.url.path}/{product.id}"
    return product


@router.get(
    "/{product_id}",
    response_model=ProductRead,
    responses=documented(ProductNotFound),
    openapi_extra=SHOP_WINDOW,
)
async def read_product(
    viewer: VisitorDep,
    catalogue: CatalogueDep,
    conditional: ConditionalGetDep,
    product_id: UUID,
) -> Any:
    """Read a product. A visitor gets a 404 for a product that is not active."""
    return conditional(await catalogue.get(product_id, viewer))


@router.patch(
    "/{product_id}",
    response_model=ProductRead,
    responses=documented(ProductNotFound, SkuTaken),
)
async def update_product(
    editor: ProductEditor,
    products: ProductServiceDep,
    expected: RequiredVersionDep,
    tagged: TaggedDep,
    product_id: UUID,
    data: ProductUpdate,
) -> Product:
    """Change a product, if it has not changed since you read it.

    As `If-Match`, send the `ETag` that you have read. A field that you leave out keeps
    its value.
    """
    return tagged(await products.update(product_id, expected, data, editor.user_id))


@router.delete(
    "/{product_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(ProductNotFound),
)
async def delete_product(
    _: ProductEditor,
    products: ProductServiceDep,
    expected: RequiredVersionDep,
    product_id: UUID,
) -> None:
    """Delete a product, if it has not changed since you read it.

    As `If-Match`, send the `ETag` that you have read.
    """
    await products.delete(product_id, expected)


@router.post(
    "/{product_id}/stock",
    response_model=ProductRead,
    responses=documented(ProductNotFound, InsufficientStock, StockLimitReached),
)
async def change_stock(
    editor: ProductEditor,
    _once: Idempotent,
    products: ProductServiceDep,
    expected: ExpectedVersionDep,
    tagged: TaggedDep,
    product_id: UUID,
    change: StockChange,
) -> Product:
    """Add to the stock or take from it. The stock never falls below zero."""
    return tagged(
        await products.change_stock(product_id, expected, change, editor.user_id)
    )


@router.get(
    "/{product_id}/movements",
    response_model=Page[StockMovementRead],
    responses=documented(ProductNotFound, CursorInvalid),
)
async def list_movements(
    _: ProductEditor,
    catalogue: CatalogueDep,
    product_id: UUID,
    page: Annotated[PageParameters, Query()],
) -> RowPage:
    """List the changes of a product's stock, newest first."""
    return await catalogue.movements(product_id, page)
