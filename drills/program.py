"""Arguments, a service and the result, for all programs `python -m drills.NAME`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter

from drills.timeline import Outcome
from testbed import patience
from testbed.accounts import create_account
from testbed.postgres import PostgresServer, start_postgres
from testbed.service import Service, command, make_environment, start_service

OUTCOME = TypeAdapter(Outcome)
ADMIN = "admin@example.org"


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=doc, formatter_class=formatter)


def main(parser: argparse.ArgumentParser, run: Callable[..., Outcome]) -> None:
    """Run a drill with the options of the command line. Exit 1 if it finds a fault."""
    parser.add_argument("--result", type=Path, help="a file for the outcome, as JSON")
    options = vars(parser.parse_args())
    result: Path | None = options.pop("result")
    with tempfile.TemporaryDirectory() as directory:
        outcome = run(Path(directory), **options)
    if result is not None:
        result.write_bytes(OUTCOME.dump_json(outcome))
    print(outcome)
    sys.exit(not outcome.kept)


@contextmanager
def serving(
    home: Path,
    *arguments: str,
    postgres: Mapping[str, str] = MappingProxyType({}),
    **settings: str,
) -> Iterator[tuple[PostgresServer, Service]]:
    """Run the service on a PostgreSQL, with an administrator, without rate limits.

    Its timeouts are those of production, unless `settings` change them.
    """
    with start_postgres(home, options=postgres) as database:
        environment = make_environment(
            home, DATABASE_URL=database.url, RATE_LIMIT_ENABLED="false"
        )
        prepare(environment)
        for name in patience.SETTINGS:
            del environment[name.upper()]
        environment |= settings
        with start_service(home, *arguments, environment=environment) as service:
            yield database, service


def prepare(environment: Mapping[str, str]) -> None:
    """Migrate the database, and create the administrator."""
    upgraded = command("db", "upgrade", environment=environment)
    assert upgraded.returncode == 0, upgraded.stderr
    create_account(ADMIN, environment=environment, role="admin")


def workers(service: Service) -> list[int]:
    """List the worker processes that the log of a service names and that are alive."""
    prefix = "Booting worker with pid: "
    events = [str(line["event"]) for line in service.log()]
    pids = [int(e.removeprefix(prefix)) for e in events if e.startswith(prefix)]
    return [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
