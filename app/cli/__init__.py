"""The command line, `python -m app`. Each group of commands has its own module.

A command imports its dependencies when it runs, so that `--help` is quick.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from app.cli import (
    api_keys,
    audit,
    config,
    copying,
    demo,
    doctor,
    keys,
    outbox,
    products,
    scaffold,
    server,
    totp,
    users,
    why,
    worker,
)
from app.cli.console import INTERRUPTED, errors, output
from app.core.config import ConfigurationError
from app.identity import NAME, VERSION

GROUPS = (
    server.group,
    demo.group,
    worker.group,
    why.group,
    config.group,
    doctor.group,
    copying.group,
    users.group,
    api_keys.group,
    totp.group,
    audit.group,
    products.group,
    keys.group,
    outbox.group,
    scaffold.group,
)

cli = typer.Typer(
    name=NAME,
    help="Set up, run and maintain the service.",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help says `<bool>` beside every flag
)
for group in GROUPS:
    # A group without a name adds its commands to the top level.
    cli.add_typer(group, no_args_is_help=True)


def show_version(wanted: bool) -> None:
    if wanted:
        output.print(f"{NAME} {VERSION}")
        raise typer.Exit


@cli.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


def main() -> None:
    """Run a command. A failure is one line on stderr and exit code 1."""
    if sys.stdin is None:  # the process was started with `<&-`
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - open until the end
    try:
        # Use the name of the installed command, because completion does not work for
        # `python -m app`.
        sys.exit(cli(standalone_mode=False, prog_name=NAME))
    except TyperException as error:
        message = error.format_message()
        if message.startswith("Usage: "):  # the help of a group without a command
            errors.print(message)
        else:
            errors.print(f"Error: {message} (see --help)")
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        errors.print(str(error))
        sys.exit(1)
    except typer.Abort:  # Ctrl-C or Ctrl-D at a prompt
        sys.exit(INTERRUPTED)
    except Exception as error:
        from app.cli.failures import sentence

        line = sentence(error)
        if line is None:
            raise
        errors.print(f"Error: {line}")
        sys.exit(1)
