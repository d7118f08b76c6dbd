"""The commands `new`, `add`, `remove` and `update`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.console import fail, output
from scaffold.refusal import Refused
from scaffold.stems import Stem

group = typer.Typer()

Owner = Literal["user", "none"]


@contextmanager
def refusals() -> Iterator[None]:
    """Exit with 2 if the command refuses to begin. Nothing has changed then."""
    try:
        yield
    except Refused as refused:
        fail(str(refused), 2)


@group.command()
def new(
    directory: Annotated[Path, typer.Argument(help="A new or an empty directory.")],
    title: Annotated[
        str,
        typer.Option(
            help="Name of the new service, as people read it; at most 40 characters."
        ),
    ],
    slug: Annotated[
        str | None,
        typer.Option(
            help="Name of the package and of the command. Default: made from the title."
        ),
    ] = None,
    *,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="A resource or a feature to leave out, such as products or passkeys. "
            "You can repeat this option."
        ),
    ] = None,
) -> None:
    """Make a repository of your own from this checkout.

    The new service has the name that you choose.
    """
    from scaffold import copying

    with refusals():
        identity = copying.new(directory, title, slug, without or ())
    output.print(f"{directory} is {identity.title}, with its first commit.")
    output.print(f"Next: cd {directory} && make run")


add = typer.Typer(name="add", help="Add code to the project.", no_args_is_help=True)
group.add_typer(add)

FIELDS = (
    "Each field is name:type. After the type, write ? if the field is optional, =value "
    "for a default, or :unique if no two rows can have the same value. Types: str:200, "
    "text, int, bool, decimal(3,1), money, currency, date, instant, url, email, "
    "enum(a|b), json, ref(resource)."
)


@add.command("resource")
def add_resource(
    name: Annotated[
        str, typer.Argument(help="The name in the singular, such as delivery_note.")
    ],
    fields: Annotated[list[str], typer.Argument(help=FIELDS)],
    *,
    owner: Annotated[
        Owner,
        typer.Option(
            help="user: each row belongs to the user who made it. none: every editor "
            "can change all rows."
        ),
    ] = "none",
    plural: Annotated[
        str | None, typer.Option(help="The name in the plural, if it is not regular.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what the command would write.")
    ] = False,
) -> None:
    """Write the code of a new resource.

    This includes the table, the rules, the endpoints, the tests, the documentation page
    and the revision.
    """
    from scaffold import adding
    from scaffold.regenerating import regenerate
    from scaffold.repository import ROOT

    failed: list[str] = []
    with refusals():
        addition = adding.plan(ROOT, name, fields, plural=plural, owned=owner == "user")
        if not dry_run:
            adding.write(ROOT, addition)
            failed = regenerate(ROOT)
    for path, text in addition.files.items():
        output.print(f"{path}: {len(text.splitlines())} lines")
    for line in addition.lines:
        output.print(f"{line.file}: {line.text.strip().partition(chr(10))[0]}")
    if dry_run:
        output.print("Nothing was written.")
    elif failed:
        fail("\n".join(failed))
    else:
        output.print("Next: db upgrade, then make check and make test.")


remove = typer.Typer(name="remove", help="Remove code.", no_args_is_help=True)
group.add_typer(remove)


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what the command would remove.")
]


@remove.command("resource")
def remove_resource(
    name: Annotated[
        str, typer.Argument(help="Name of the resource, such as products.")
    ],
    *,
    dry_run: DryRun = False,
) -> None:
    """Remove a resource and everything that belongs to it.

    The command deletes the files and the registry lines of the resource, and writes a
    revision that drops its tables. An update does not bring the resource back.
    """
    from scaffold.stems import find

    take_out(find, name, dry_run=dry_run)


@remove.command("feature")
def remove_feature(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the feature. With an unknown name, the command lists all "
            "features."
        ),
    ],
    *,
    dry_run: DryRun = False,
) -> None:
    """Remove a feature, such as passkeys.

    The command does the same as `remove resource` does for a resource. An update does
    not bring the feature back.
    """
    from scaffold.features import find

    take_out(find, name, dry_run=dry_run)


def take_out(find: Callable[[Path, str], Stem], name: str, *, dry_run: bool) -> None:
    from scaffold import removing
    from scaffold.regenerating import regenerate
    from scaffold.repository import ROOT

    failed: list[str] = []
    with refusals():
        removal = removing.plan(ROOT, find(ROOT, name))
        if not dry_run:
            removing.carry_out(ROOT, removal)
            failed = regenerate(ROOT)
    for file in removal.files:
        output.print(f"deleted {file}")
    for line in removal.lines:
        output.print(f"deleted a line of {line[:100]}")
    if removal.revision:
        output.print(f"written {removal.revision[0]}, which drops the tables")
    else:
        output.print("No revision made a table for it, so there is no table to drop.")
    if dry_run:
        output.print("Nothing was changed.")
    elif failed:
        fail("\n".join(failed))
    else:
        output.print("Next: db upgrade, then make check and make test.")


@group.command()
def update(
    to: Annotated[
        str | None,
        typer.Argument(help="A tag, branch or commit; the default is the newest tag."),
    ] = None,
) -> None:
    """Merge a newer release of the project into this copy.

    The command works on a new branch, and runs the code of that release. It exits with
    1 if conflicts are left, and with 2 if it could not begin.
    """
    from scaffold import updating
    from scaffold.repository import ROOT

    with refusals():
        code = updating.run_of_release(ROOT, to)
    raise typer.Exit(code)
