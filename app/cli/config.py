from typing import Annotated

import typer

from app.cli.console import output
from app.core.config import get_settings
from app.core.settings.warnings import find_warnings

group = typer.Typer(name="config", help="Check the settings.")


@group.command()
def check(
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Treat a warning like an error.")
    ] = False,
) -> None:
    """Check the settings and exit non-zero if the service would refuse to start."""
    settings = get_settings()
    output.print(f"The settings are valid for {settings.environment}.")
    warnings = list(find_warnings(settings))
    for warning in warnings:
        output.print(f"Warning: {warning}")
    if strict and warnings:
        raise typer.Exit(1)
