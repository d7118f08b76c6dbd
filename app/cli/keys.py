import secrets

import typer

from app.cli.console import output

group = typer.Typer(name="keys", help="Secrets and keys.")


@group.callback()
def keys() -> None:
    """Secrets and keys."""


@group.command()
def generate() -> None:
    """Print a new value for SECRET_KEY."""
    output.print(f"SECRET_KEY={secrets.token_urlsafe(48)}")
