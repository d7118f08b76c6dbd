import typer

from app.cli.console import output
from app.core.config import get_settings

group = typer.Typer(name="config", help="Check the settings.")


@group.command()
def check() -> None:
    """Check the settings and exit non-zero if the service would refuse to start."""
    settings = get_settings()
    output.print(f"The settings are valid for {settings.environment}.")
