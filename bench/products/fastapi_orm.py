"""Products as the tutorials write them."""

from base64 import urlsafe_b64encode
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, HTTPException, Response
from sqlalchemy import desc, select

from app.db.models.product import Product, ProductStatus
from app.db.models.user import Role
from app.schemas.page import Page
from app.schemas.product import ProductCreate, ProductRead
from app.services.products.search import search_columns
from bench.accounts.fastapi_orm import CurrentUser
from bench.orm_session import SessionDep

router = APIRouter(prefix="/products")


@router.get("", response_model=Page[ProductRead])
async def list_products(session: SessionDep, limit: int = 20) -> dict[str, Any]:
    found = await session.scalars(
        select(Product)
        .where(Product.status == ProductStatus.ACTIVE)
        .order_by(desc(Product.created_at), desc(Product.id))
        .limit(limit + 1)
    )
    products = found.all()
    cursor = None
    if len(products) > limit:
        last = products[limit - 1]
        keys = [0, last.created_at, last.id.hex]
        position = orjson.dumps(keys, option=orjson.OPT_UTC_Z)
        cursor = urlsafe_b64encode(bytes(17) + position).rstrip(b"=").decode()
    return {"items": products[:limit], "next_cursor": cursor}


@router.get("/{product_id}", response_model=ProductRead)
async def read_product(
    session: SessionDep,
    product_id: UUID,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Product | Response:
    product = await session.scalar(
        select(Product).where(
            Product.id == product_id, Product.status == ProductStatus.ACTIVE
        )
    )
    if product is None:
        raise HTTPException(404)
    if if_none_match == f'"v{product.version}"':
        return Response(status_code=304)
    return product


@router.post("", response_model=ProductRead, status_code=201)
async def create_product(
    session: SessionDep, user: CurrentUser, data: ProductCreate
) -> Product:
    if user.role == Role.USER:
        raise HTTPException(403)
    values = data.model_dump()
    product = Product(**values, **search_columns(values))
    session.add(product)
    await session.commit()
    return product
