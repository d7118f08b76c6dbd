from typing import Annotated

import typer

from app.cli.console import output, run
from app.core.config import get_settings

group = typer.Typer(name="db", help="The database's schema.")


@group.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="How far.")] = "heads",
) -> None:
    """Bring the schema up to a revision; safe to run twice, or twice at once."""
    from app.db import migrate

    run(migrate.upgrade(get_settings(), revision))
    output.print(f"The database is at {revision}.")


@group.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="How far back, e.g. -1 or base.")],
) -> None:
    """Take the schema back to a revision; what later ones added is lost."""
    from app.db import migrate

    run(migrate.downgrade(get_settings(), revision))
    output.print(f"The database is at {revision}.")


@group.command()
def revision(message: Annotated[str, typer.Argument(help="What it does.")]) -> None:
    """Write a migration for what the models have and the database has not."""
    from app.db import migrate

    run(migrate.write_revision(get_settings(), message))


@group.command()
def check() -> None:
    """Fail if the database is behind the migrations, or not as the models say."""
    from app.db import migrate

    run(migrate.check(get_settings()))
