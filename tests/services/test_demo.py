"""Made-up products and users."""

from fastapi import FastAPI
from sqlalchemy import delete, func, select

from app.db.models import Product, User
from app.db.session import transaction
from app.services.demo import add_products, add_users, make_product


async def test_can_be_added_to_what_is_left_of_others(app: FastAPI) -> None:
    """Mutant: number on from the count of those that are there."""
    database = app.state.resources.database
    await add_products(database, 5)
    await add_users(database, 5)
    async with transaction(database) as session:
        sku = make_product(2)["sku"]
        await session.execute(delete(Product).where(Product.sku == sku))
        email = "user2@example.org"
        await session.execute(delete(User).where(User.email == email))

    await add_products(database, 3)
    await add_users(database, 3)

    async with transaction(database) as session:
        for model in (Product, User):
            count = select(func.count()).select_from(model)
            assert await session.scalar(count) == 7
