from fastapi import APIRouter

from app.api.v1.endpoints import (
    auth,
    email_addresses,
    health,
    passwords,
    products,
    users,
)

router = APIRouter()
for endpoints in (health, auth, passwords, email_addresses, users, products):
    router.include_router(endpoints.router)
