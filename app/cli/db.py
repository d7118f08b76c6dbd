from typing import Annotated

import typer

from app.cli.console import output, run
from app.core.config import Settings, get_settings

group = typer.Typer(name="db", help="Migrate and check the database schema.")


@group.command()
def upgrade(
    revision: Annotated[
        str, typer.Argument(help="Target revision; the default is the newest.")
    ] = "heads",
) -> None:
    """Upgrade the schema. Running it twice, or twice at the same time, is safe."""
    from app.db import migrate

    run(migrate.upgrade(get_settings(), revision))
    output.print(f"The database is at {run(current(get_settings()))}.")


# Otherwise the command would take the revision -1 for an option.
@group.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[
        str,
        typer.Argument(
            help="Target revision: its id, -1 for one step back, or base for no tables."
        ),
    ],
) -> None:
    """Downgrade the schema. The tables and columns of later revisions are lost."""
    from app.db import migrate

    run(migrate.downgrade(get_settings(), revision))
    output.print(f"The database is at {run(current(get_settings()))}.")


async def current(settings: Settings) -> str:
    """Name the revision of the schema, because the target can be relative: -1."""
    from sqlalchemy import text

    from app.db.session import Database, transaction

    statement = text("SELECT version_num FROM alembic_version ORDER BY version_num")
    async with Database(settings) as database, transaction(database) as session:
        return ", ".join(await session.scalars(statement)) or "base"


@group.command()
def revision(
    message: Annotated[
        str, typer.Argument(help="A few words that say what the revision changes.")
    ],
) -> None:
    """Write a revision from the differences between the models and the database.

    Read it before you apply it, because the command cannot detect every change. It sees
    a renamed column, for example, as one removed and one added.
    """
    from app.db import migrate

    run(migrate.write_revision(get_settings(), message))


@group.command()
def check() -> None:
    """Exit non-zero if the database lacks a revision or differs from the models."""
    from app.db import migrate

    run(migrate.check(get_settings()))
