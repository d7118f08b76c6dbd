import json
from typing import Annotated

import typer

from app.cli.console import output
from app.cli.lists import Json
from app.core.config import ConfigurationError, get_settings
from app.core.settings.warnings import find_warnings

group = typer.Typer(name="config", help="Check the settings.")


@group.command()
def check(
    *,
    as_json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Treat a warning like an error.")
    ] = False,
) -> None:
    """Check the settings.

    The command exits with 1 if the service would refuse to start with them.
    """
    try:
        settings = get_settings()
    except ConfigurationError as error:
        if not as_json:
            raise
        output.out(json.dumps({"ok": False, "problems": error.problems}))
        raise typer.Exit(1) from None
    warnings = list(find_warnings(settings))
    if as_json:
        output.out(json.dumps({"ok": True, "warnings": warnings}))
    else:
        output.print(f"The settings are valid for {settings.environment}.")
        for warning in warnings:
            output.print(f"Warning: {warning}")
    if strict and warnings:
        raise typer.Exit(1)
