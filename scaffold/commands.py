"""The commands `new`, `add`, `remove` and `update`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import fail, output
from scaffold.refusal import Refused

group = typer.Typer()


@contextmanager
def refusals() -> Iterator[None]:
    """Exit with 2: the command could not begin, and nothing has changed."""
    try:
        yield
    except Refused as refused:
        fail(str(refused), 2)


@group.command()
def new(
    directory: Annotated[Path, typer.Argument(help="A new or an empty directory.")],
    title: Annotated[
        str, typer.Option(help="The name for people: at most 40 characters.")
    ],
    slug: Annotated[
        str | None,
        typer.Option(
            help="The name of the package and of the command; the default is made "
            "from the title."
        ),
    ] = None,
) -> None:
    """Make a repository of your own from this checkout, under your name."""
    from scaffold import copying

    with refusals():
        identity = copying.new(directory, title, slug)
    output.print(f"{directory} is {identity.title}, with its first commit.")
    output.print(f"Next: cd {directory} && make run")
