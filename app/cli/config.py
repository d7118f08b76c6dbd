from typing import Annotated

import typer

from app.cli.console import fail, output
from app.core.config import get_settings

group = typer.Typer(name="config", help="Check and document the settings.")


@group.command()
def check() -> None:
    """Check the settings and exit non-zero if the service would refuse to start."""
    settings = get_settings()
    output.print(f"The settings are valid for {settings.environment}.")


@group.command()
def reference(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Write nothing; exit non-zero if a file is outdated."
        ),
    ] = False,
) -> None:
    """Generate .env.example and the settings, errors and routes in docs/."""
    from app.cli.reference import write

    stale = write(check=check)
    if check and stale:
        fail(f"Outdated: {', '.join(map(str, stale))}. Run `make format`.")
