import typer

from app.cli.console import output
from app.core.config import get_settings

group = typer.Typer(name="config", help="The settings.")


@group.callback()
def config() -> None:
    """The settings."""


@group.command()
def check() -> None:
    """Say whether the service would start with the settings as they are."""
    settings = get_settings()
    output.print(f"The settings are fit for {settings.environment}.")
