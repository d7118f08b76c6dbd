"""Commands for the secrets of authenticator apps."""

import typer

from app.cli.console import fail, output, run

group = typer.Typer(name="totp", help="Maintain the secrets of authenticator apps.")


@group.command()
def reseal() -> None:
    """Encrypt all secrets with SECRET_KEY. Then you can remove SECRET_KEY_PREVIOUS."""
    output.print(f"Secrets encrypted again: {run(reseal_all())}.")


async def reseal_all() -> int:
    from app.cli.accounts import open_existing
    from app.core.sealing import Unreadable
    from app.services.accounts.totp.resealing import reseal

    async with open_existing() as state:
        try:
            return await reseal(state.database, state.ring)
        except Unreadable:
            fail("Neither SECRET_KEY nor SECRET_KEY_PREVIOUS decrypts some secrets.")
