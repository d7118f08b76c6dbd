"""Commands for the secrets of authenticator apps."""

import typer

from app.cli.console import awaited, fail, output

group = typer.Typer(name="totp", help="Maintain the secrets of authenticator apps.")


@group.command()
@awaited
async def reseal() -> None:
    """Encrypt all secrets with SECRET_KEY. Then you can remove SECRET_KEY_PREVIOUS."""
    from app.cli.accounts import open_existing
    from app.core.sealing import Unreadable
    from app.services.accounts.totp import resealing

    async with open_existing() as state:
        try:
            count = await resealing.reseal(state.database, state.ring)
        except Unreadable:
            fail("SECRET_KEY and SECRET_KEY_PREVIOUS do not decrypt all secrets.")
    output.print(f"Secrets encrypted again: {count}.")
