from fastapi import APIRouter

from app.api.v1.endpoints import auth, health, product_files, products, users

router = APIRouter()
for endpoints in (health, auth, users, product_files, products):
    router.include_router(endpoints.router)
