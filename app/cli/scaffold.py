"""The commands that change the code. They are in `scaffold/`, beside this package."""

from pathlib import Path

import typer

import app
from app.cli.console import fail

NAMES = ("new", "add", "remove", "update")

if Path(app.__file__).parents[1].joinpath("scaffold").is_dir():
    from scaffold.commands import group as group
else:
    group = typer.Typer()

    def needs_a_checkout(context: typer.Context) -> None:
        fail(f"`{context.info_name}` changes the code: run it in a git checkout.", 2)

    for name in NAMES:
        group.command(
            name,
            help="Change the code. It needs a git checkout of the repository.",
            context_settings={
                "ignore_unknown_options": True,
                "allow_extra_args": True,
                "help_option_names": [],
            },
        )(needs_a_checkout)
