from fastapi import APIRouter

from app.api.v1.endpoints import auth, health, products, users

router = APIRouter()
for endpoints in (health, auth, users, products):
    router.include_router(endpoints.router)
