"""Runs drills as processes of their own, in the repository or in a changed copy."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from drills.catalogue import Drill
from drills.copies import DrillFailed
from drills.program import OUTCOME
from drills.timeline import Outcome
from testbed.postgres import start_postgres
from testbed.service import ROOT

LONGEST_SECONDS = 900
NO_TEST_FAILED, A_TEST_FAILED = 0, 1
FASTER = {"synchronous_commit": "off"}


@contextmanager
def database_for_tests(drills: Sequence[Drill]) -> Iterator[None]:
    """Start one PostgreSQL for all tests, because each pytest would start its own."""
    if not any(drill.tests for drill in drills):
        yield
        return
    with (
        tempfile.TemporaryDirectory() as directory,
        start_postgres(Path(directory), options=FASTER) as server,
    ):
        os.environ["TEST_DATABASE_URL"] = server.url
        yield


def run(drill: Drill, arguments: str, root: Path = ROOT) -> Outcome:
    """Run a drill on the code in `root`.

    Raises:
        DrillFailed: The drill has no outcome, so it says nothing about the promise.
    """
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory, "result")
        if drill.tests:
            line = ["pytest", "-q", "-n0", f"--junitxml={result}", *drill.tests]
        else:
            line = f"{drill.program} {arguments} --result {result}".split()
        code, output = execute(line, root)
        known = code in {NO_TEST_FAILED, A_TEST_FAILED} and result.exists()
        if not known:
            raise DrillFailed(f"exit code {code}: {output.strip()[-2000:]}")
        if drill.tests:
            return read_tests(result)
        return OUTCOME.validate_json(result.read_bytes())


def execute(line: list[str], root: Path) -> tuple[int | str, str]:
    try:
        ended = subprocess.run(
            [sys.executable, "-m", *line],
            cwd=root,
            # The modules of the copy take precedence over the installed package.
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "none", f"The drill did not end within {LONGEST_SECONDS} seconds."
    return ended.returncode, ended.stdout


def read_tests(file: Path) -> Outcome:
    """Read the outcome of tests from the file that pytest writes for JUnit."""
    cases = ElementTree.parse(file).findall(".//testcase")  # noqa: S314 - our own
    broken = [
        f"{case.get('name')}: {each.get('message', '').splitlines()[0][:100]}"
        for case in cases
        for each in (*case.findall("failure"), *case.findall("error"))
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    ran = len(cases) - skipped
    figures = f"{ran - len(broken)} of {ran} tests passed"
    return Outcome(figures, broken if ran else ["Every test was skipped."])
