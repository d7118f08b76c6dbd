import json
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import existing, output, run
from app.cli.lists import Json, JsonLines
from app.core.config import Settings, get_settings

if TYPE_CHECKING:
    from app.db.revisions import Revisions

group = typer.Typer(name="db", help="Migrate, check, back up and restore the database.")


@group.command()
def upgrade(
    revision: Annotated[
        str, typer.Argument(help="Target revision; the default is the newest.")
    ] = "heads",
) -> None:
    """Upgrade the schema. You can safely run this again, even twice in parallel.

    If a newer release has already upgraded the database, the command changes nothing,
    and you can run this older release with the newer schema.
    """
    from app.db import migrate

    steps = run(migrate.upgrade(get_settings(), revision))
    report(get_settings(), "Upgraded", steps)


# Otherwise the command would take the revision -1 for an option.
@group.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[
        str,
        typer.Argument(
            help="Target revision: an id, -1 for one step back, or base for no tables."
        ),
    ],
) -> None:
    """Downgrade the schema. The tables and columns of later revisions are lost."""
    from app.db import migrate

    if revision.startswith("--"):
        raise typer.BadParameter("No such option or revision.", param_hint=revision)
    steps = run(migrate.downgrade(existing(get_settings()), revision))
    report(get_settings(), "Took back", steps)


def report(settings: Settings, done: str, steps: list[str]) -> None:
    """Print the names of the revisions: the target can be relative, such as -1."""
    revisions = known()
    for step in steps:
        output.print(f"{done} {revisions.name(step)}.")
    heads = find_heads(settings)
    output.print(f"The database is at {', '.join(heads) or 'base'}.")
    if newer := [head for head in heads if head not in revisions.known]:
        output.print(f"{', '.join(newer)} is of a newer release. Nothing to upgrade.")


def known() -> "Revisions":
    from app.db.revisions import OWN, RELEASED, Revisions

    return Revisions(RELEASED, OWN)


def find_heads(settings: Settings) -> list[str]:
    from app.db import migrate

    return sorted(run(migrate.current(settings)))


@group.command()
def current(*, as_json: Json = False) -> None:
    """Print the newest revision that the database has."""
    heads = find_heads(existing(get_settings()))
    revisions = known()
    if as_json:
        found = {"revisions": heads, "newest": sorted(revisions.heads)}
        output.out(json.dumps(found))
        return
    for head in heads:
        newest = " - the newest" if head in revisions.heads else ""
        output.print(f"{revisions.name(head)}{newest}")
    if not heads:
        output.print("base (no revision)")


@group.command()
def history(*, as_json: JsonLines = False) -> None:
    """List all revisions, newest first.

    These are the revisions of the release and those that you wrote. The list shows
    which of them the database has.
    """
    revisions = known()
    applied = revisions.applied(find_heads(existing(get_settings())))
    newer = sorted(applied - revisions.known)
    if newer:  # a newer release has applied all known revisions
        applied |= revisions.known
    for name in (*newer, *revisions.newest_first()):
        title = revisions.titles.get(name)
        if as_json:
            row = {"revision": name, "title": title, "applied": name in applied}
            output.out(json.dumps(row))
        else:
            state = "applied" if name in applied else "pending"
            output.print(f"{name}  {state}  {title or 'of a newer release'}")


@group.command()
def revision(
    message: Annotated[
        str, typer.Argument(help="A few words that say what the revision changes.")
    ],
    *,
    empty: Annotated[
        bool,
        typer.Option("--empty", help="Write an empty revision."),
    ] = False,
) -> None:
    """Write a revision for the changes of the models.

    The command compares the models with the database. Read the revision before you
    apply it, because the command cannot detect every change. For example, it takes a
    renamed column for one removed and one added column.
    """
    from app.db import migrate

    run(migrate.write_revision(get_settings(), message, empty=empty))


@group.command()
def check(*, as_json: Json = False) -> None:
    """Compare the database with the revisions and the models.

    The command exits with 1 if the database lacks a revision or differs from the
    models.
    """
    from app.db import migrate

    try:
        run(migrate.check(existing(get_settings())))
    except migrate.MigrationFailed as error:
        if not as_json:
            raise
        output.out(json.dumps({"ok": False, "message": str(error)}))
        raise typer.Exit(1) from None
    message = "The database has every revision and matches the models."
    output.out(json.dumps({"ok": True, "message": message}) if as_json else message)
