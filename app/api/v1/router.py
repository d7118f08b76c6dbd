from fastapi import APIRouter

from app.api.v1.endpoints import audit, auth, health, products, users

router = APIRouter()
for endpoints in (health, auth, audit, users, products):
    router.include_router(endpoints.router)
