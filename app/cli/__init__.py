"""The command line, `python -m app`. Each group of commands has its own module.

A command imports its dependencies when it runs, so that `--help` is quick.
"""

import sys

import typer
from typer.exceptions import TyperException

from app.cli import (
    audit,
    config,
    db,
    demo,
    keys,
    outbox,
    products,
    server,
    users,
    worker,
)
from app.cli.console import errors
from app.core.config import ConfigurationError
from app.identity import NAME

GROUPS = (
    server.group,
    demo.group,
    worker.group,
    config.group,
    db.group,
    users.group,
    audit.group,
    products.group,
    keys.group,
    outbox.group,
)

cli = typer.Typer(
    name=NAME,
    help="Set up, run and maintain the service.",
    pretty_exceptions_enable=False,
    add_completion=False,
)
for group in GROUPS:
    cli.add_typer(group)  # a group without a name adds its commands to the top level


def main() -> None:
    """Run a command. A failure is one line on stderr and exit code 1."""
    try:
        sys.exit(cli(standalone_mode=False))
    except TyperException as error:
        errors.print(f"Error: {error.format_message()} (see --help)")
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        errors.print(str(error))
        sys.exit(1)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        from app.cli.failures import sentence

        line = sentence(error)
        if line is None:
            raise
        errors.print(f"Error: {line}")
        sys.exit(1)
