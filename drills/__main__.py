"""Run the drills that load a service, and write a report.

    python -m drills [--long] [--mutants] [--write]

`--mutants` also runs each drill with a setting that breaks the promise. `--write`
writes `docs/promises.md`; the HTML report is `var/drills.html`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills import deployment, overload
from drills.report import Result, html, promises
from drills.timeline import Outcome
from testbed.nginx import BINARY
from testbed.service import ROOT, WORKER_CLASSES

REPORT = Path("var/drills.html")


@dataclass(frozen=True)
class Drill:
    promise: str
    command: str
    run: Callable[..., Outcome]
    short: Mapping[str, Any]
    long: Mapping[str, Any]
    mutants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def deploy(home: Path, **options: Any) -> Outcome:
    return asyncio.run(deployment.prepared(home, **options))


def deployments() -> list[Drill]:
    kinds = [("tcp", each) for each in WORKER_CLASSES]
    kinds += [("nginx", WORKER_CLASSES[0])] if BINARY else []
    return [
        Drill(
            f"A deployment behind {through} fails no request ({worker_class}).",
            f"python -m drills.deployment --through {through} "
            f"--worker-class {worker_class}",
            deploy,
            {"requests": 500, "delay": 3, "through": through, **kind},
            {"requests": 2500, "delay": 5, "through": through, **kind},
            {"DRAIN_DELAY_SECONDS=0": {"delay": 0}} if through == "tcp" else {},
        )
        for through, worker_class in kinds
        for kind in [{"worker_class": worker_class}]
    ]


DRILLS = [
    *deployments(),
    Drill(
        "A worker at three times its capacity stays useful.",
        "python -m drills.overload",
        overload.run,
        {"seconds": 6},
        {"seconds": 15},
        {"MAX_IN_FLIGHT=10000": {"max_in_flight": 10_000}},
    ),
]


def run(drill: Drill, options: Mapping[str, Any]) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        return drill.run(Path(directory), **options)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    for flag in ("--long", "--mutants", "--write"):
        parser.add_argument(flag, action="store_true")
    flags = parser.parse_args()
    results = []
    for drill in DRILLS:
        print(f"{drill.promise:76} ", end="", flush=True)
        options = drill.long if flags.long else drill.short
        outcome = run(drill, options)
        print("kept" if outcome.kept else "BROKEN", outcome, sep="\n  ")
        noticed: dict[str, bool | None] = dict.fromkeys(drill.mutants)
        # A drill that fails in any case notices nothing.
        tries = flags.mutants and outcome.kept
        for name, changes in drill.mutants.items() if tries else ():
            noticed[name] = not run(drill, {**options, **changes}).kept
            print(f"  mutant {name}: {'noticed' if noticed[name] else 'NOT NOTICED'}")
        results.append(Result(drill.promise, drill.command, outcome, noticed))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(html(results))
    print(f"Report: {REPORT}")
    if flags.write:
        load = os.getloadavg()[0]
        machine = f"{os.cpu_count()} cores, load average {load:.1f}"
        (ROOT / "docs" / "promises.md").write_text(promises(results, machine))
    kept = all(each.outcome.kept for each in results)
    sys.exit(
        not (kept and False not in [m for r in results for m in r.mutants.values()])
    )


if __name__ == "__main__":
    main()
