from typing import Annotated

import typer

from app.cli.console import output, run
from app.core.config import Settings, get_settings

group = typer.Typer(name="db", help="Migrate the database schema.")


@group.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Target revision.")] = "heads",
) -> None:
    """Upgrade the schema to a revision. Running it twice, even at once, is safe."""
    from app.db import migrate

    run(migrate.upgrade(get_settings(), revision))
    output.print(f"The database is at {run(current(get_settings()))}.")


# Otherwise the command would take the revision -1 for an option.
@group.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[
        str,
        typer.Argument(help="Target revision, e.g. -1 or base."),
    ],
) -> None:
    """Downgrade the schema to a revision. Data that later revisions added is lost."""
    from app.db import migrate

    run(migrate.downgrade(get_settings(), revision))
    output.print(f"The database is at {run(current(get_settings()))}.")


async def current(settings: Settings) -> str:
    """Name the revision of the schema, as the target may be relative, such as -1."""
    from sqlalchemy import text

    from app.db.session import Database, transaction

    statement = text("SELECT version_num FROM alembic_version ORDER BY version_num")
    async with Database(settings) as database, transaction(database) as session:
        return ", ".join(await session.scalars(statement)) or "base"


@group.command()
def revision(
    message: Annotated[str, typer.Argument(help="What the migration does.")],
) -> None:
    """Write a migration from the differences between the models and the database."""
    from app.db import migrate

    run(migrate.write_revision(get_settings(), message))


@group.command()
def check() -> None:
    """Fail if the database lacks a migration or differs from the models."""
    from app.db import migrate

    run(migrate.check(get_settings()))
