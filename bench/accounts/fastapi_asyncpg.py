"""Accounts on FastAPI, without the ORM."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException

from app.schemas.user import UserRead
from bench.accounts.bearer import ClaimsDep
from bench.accounts.raw_asgi import fetch_caller
from bench.pool import PoolDep

router = APIRouter()


async def get_current_user(pool: PoolDep, claims: ClaimsDep) -> dict[str, Any]:
    user = await fetch_caller(pool, claims)
    if user is None:
        raise HTTPException(401)
    return dict(user)


CurrentUser = Annotated[dict[str, Any], Depends(get_current_user)]


@router.get("/users/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> dict[str, Any]:
    return user
