"""The command line, `python -m app`: a module for each group of commands.

What a command needs is imported when it runs, so that `--help` is quick.
"""

import sys

import typer
from typer.exceptions import TyperException

from app.cli import config, db, demo, keys, outbox, products, server, users
from app.cli.console import errors
from app.core.config import ConfigurationError
from app.identity import NAME

cli = typer.Typer(
    name=NAME,
    help="Set up, run and look after the service.",
    pretty_exceptions_enable=False,
    add_completion=False,
)
server.add_commands(cli)
demo.add_commands(cli)
outbox.add_commands(cli)
cli.add_typer(config.group)
cli.add_typer(db.group)
cli.add_typer(users.group)
cli.add_typer(products.group)
cli.add_typer(keys.group)
cli.add_typer(outbox.group)


def main() -> None:
    """Run a command; whatever it cannot do is one line on stderr and exit code 1."""
    try:
        sys.exit(cli(standalone_mode=False))
    except TyperException as error:
        errors.print(f"Error: {error.format_message()} (see --help)", markup=False)
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        errors.print(str(error), markup=False)
        sys.exit(1)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        from app.cli.failures import sentence

        line = sentence(error)
        if line is None:
            raise
        errors.print(f"Error: {line}", markup=False)
        sys.exit(1)
