from typing import Annotated

import typer

from app.cli.console import existing, output, progress, run
from app.core.config import Settings, get_settings


def add_commands(cli: typer.Typer) -> None:
    cli.command()(demo)


def demo(
    products: Annotated[int, typer.Option(min=0, help="How many to add.")] = 1000,
    users: Annotated[int, typer.Option(min=0, help="How many to add.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Another one, other rows.")] = 0,
) -> None:
    """Add made-up products and users, to see the service with something in it.

    On two new databases the same ones; run it again to add those that come next.
    """
    run(add(existing(get_settings()), products, users, seed))
    output.print(f"Added {products} products and {users} users.")


async def add(settings: Settings, products: int, users: int, seed: int) -> None:
    from app.db.session import Database
    from app.demo.products import add_products, add_users

    async with Database(settings) as database, progress() as shown:
        shown.begin("Adding", products + users)
        await add_products(database, products, shown.advance, seed)
        await add_users(database, users, shown.advance, seed)
