from importlib import import_module
from inspect import Parameter, Signature
from typing import Annotated

import typer

from app.cli.console import existing, fail, output, progress, run
from app.core.config import Settings, get_settings
from app.demo import RESOURCES

group = typer.Typer()


@group.command()
def demo(
    *,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Seed for the rows. In a new database, the same seed always gives the "
            "same rows.",
        ),
    ] = 0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Add the rows in production, too.")
    ] = False,
    **counts: int,
) -> None:
    """Add made-up rows, so that you can try the service.

    In a new database, the same seed always gives the same rows. Each later run adds
    further rows, even with the same seed.
    """
    settings = existing(get_settings())
    if settings.is_production and not yes:
        fail("Production needs --yes: customers would see the made-up rows.")
    run(add(settings, counts, seed))
    added = " and ".join(f"{count} {name}" for name, count in counts.items())
    output.print(f"Added {added}.")


def _signature() -> Signature:
    """Add an option for each resource. Typer reads the options from the signature."""
    counts = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=amounts.demo,
            annotation=Annotated[
                int, typer.Option(min=0, help=f"Number of {name} to add.")
            ],
        )
        for name, amounts in RESOURCES.items()
    ]
    own = Signature.from_callable(demo).parameters
    return Signature([*counts, own["seed"], own["yes"]])


demo.__signature__ = _signature()  # type: ignore[attr-defined]


async def add(settings: Settings, counts: dict[str, int], seed: int) -> None:
    from app.db.session import Database

    async with Database(settings) as database, progress() as shown:
        shown.begin("Adding", sum(counts.values()), "rows")
        for name, count in counts.items():
            rows = import_module(f"app.demo.{name}")
            await rows.add(database, count, shown.advance, seed)
