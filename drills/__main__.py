"""Run the drills, and write a report.

    python -m drills [NAME ...] [--long] [--mutants] [--write]
    python -m drills --base-url URL [--email EMAIL --password-stdin]

Each drill tests one promise of the service. `--mutants` also runs the drill on copies
of the code that have been changed so that they break this promise. The drill must fail.
`--write` writes docs/promises.md. The HTML report is in var/drills.html.
`--base-url` checks a service that already runs. It uses only the drills that need no
control over the processes of the service.
"""

import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from drills import catalogue, outside
from drills.catalogue import Drill
from drills.copies import DrillFailed
from drills.program import make_parser
from drills.report import html, promises
from drills.running import database_for_tests, run
from drills.table import Result, Table
from drills.timeline import Outcome
from testbed.checkouts import make_checkout
from testbed.service import ROOT

REPORT = Path("var/drills.html")
LANES = 2  # drills that run at the same time, because a drill often only waits


@contextmanager
def copied(wanted: bool) -> Iterator[Path | None]:
    """Copy the repository if mutants need a copy. Otherwise yield None."""
    with tempfile.TemporaryDirectory() as directory:
        yield make_checkout(Path(directory, "copy")) if wanted else None


def try_drill(result: Result, *, long: bool, copy: Path | None) -> None:
    """Run a drill. If there is a copy, run the drill also on it, with each mutant."""
    drill = result.drill
    began = time.monotonic()
    arguments = drill.long if long else drill.short or ""
    for _ in range(drill.attempts):
        try:
            result.outcome = run(drill, arguments)
        except DrillFailed as failure:
            result.outcome = Outcome("", [f"The drill failed: {failure}"])
        if result.outcome.kept:
            break
    result.seconds = time.monotonic() - began
    # If a drill fails without a mutant, its failure with a mutant proves nothing.
    if copy is None or result.outcome is None or not result.outcome.kept:
        return
    for mutant in drill.mutant:
        with mutant.applied(copy):
            try:
                broken = run(drill, mutant.arguments or drill.short or "", copy).broken
            except DrillFailed as failure:
                broken = []
                result.problems.append(f"{mutant.name}: {failure}")
        result.mutants[mutant.name] = bool(broken)


def is_due(drill: Drill, flags: Namespace) -> bool:
    if flags.names:
        return drill.name in flags.names
    return drill.is_possible and (flags.long or drill.short is not None)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these drills")
    for flag in ("--long", "--mutants", "--write"):
        parser.add_argument(flag, action="store_true")
    outside.add_options(parser)
    flags = parser.parse_args()
    if flags.base_url:
        sys.exit(outside.check(flags))
    results = [Result(each) for each in catalogue.read()]
    if unknown := {*flags.names} - {each.drill.name for each in results}:
        parser.error(f"There is no drill {', '.join(sorted(unknown))}.")
    due = [each for each in results if is_due(each.drill, flags)]
    with (
        Table(results) as table,
        copied(flags.mutants) as copy,
        database_for_tests([each.drill for each in due]),
    ):

        def try_one(result: Result) -> None:
            with table.running(result):
                try_drill(result, long=flags.long, copy=copy)

        alone = [each for each in due if each.drill.needs_the_machine]
        # With a copy, run one drill at a time: each mutant changes this one copy.
        with ThreadPoolExecutor(1 if copy else LANES) as pool:
            list(pool.map(try_one, [each for each in due if each not in alone]))
        for result in alone:
            try_one(result)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(html(results))
    print(f"Report: {REPORT}")
    if flags.write:
        load = os.getloadavg()[0]
        form = "long form" if flags.long else "short form"
        machine = f"{form}, {os.cpu_count()} cores, load average {load:.1f}"
        (ROOT / "docs" / "promises.md").write_text(promises(results, machine))
    sys.exit(not all(each.is_good for each in results))


if __name__ == "__main__":
    main()
