from typing import Annotated

import typer

from app.cli.console import fail, output
from app.core.config import get_settings

group = typer.Typer(name="config", help="The settings.")


@group.command()
def check() -> None:
    """Say whether the service would start with the settings as they are."""
    settings = get_settings()
    output.print(f"The settings are fit for {settings.environment}.")


@group.command()
def reference(
    check: Annotated[bool, typer.Option("--check", help="Write nothing.")] = False,
) -> None:
    """Write docs/settings.md, docs/errors.md and .env.example anew, from the code."""
    from app.cli.reference import write

    stale = write(check=check)
    if check and stale:
        fail(f"{', '.join(map(str, stale))} must be written anew: make format")
