"""Products on FastAPI, without the ORM."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Response

from app.schemas.page import Page
from app.schemas.product import ProductCreate, ProductRead
from bench.accounts.fastapi_asyncpg import CurrentUser
from bench.pool import PoolDep
from bench.products.raw_asgi import SELECT_PRODUCT, SELECT_PRODUCTS, insert, page

router = APIRouter(prefix="/products")


@router.get("", response_model=Page[ProductRead])
async def list_products(pool: PoolDep, limit: int = 20) -> dict[str, Any]:
    return page(await pool.fetch(SELECT_PRODUCTS, limit + 1), limit)


@router.get("/{product_id}", response_model=ProductRead)
async def read_product(
    pool: PoolDep,
    product_id: UUID,
    if_none_match: Annotated[str | None, Header()] = None,
) -> dict[str, Any] | Response:
    row = await pool.fetchrow(SELECT_PRODUCT, product_id)
    if row is None:
        raise HTTPException(404)
    if if_none_match == f'"v{row["version"]}"':
        return Response(status_code=304)
    return dict(row)


@router.post("", response_model=ProductRead, status_code=201)
async def create_product(
    pool: PoolDep, user: CurrentUser, data: ProductCreate
) -> dict[str, Any]:
    if user["role"] == "user":
        raise HTTPException(403)
    return await insert(pool, data.model_dump())
