"""Product files on the command line: their progress and their result."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from asyncio import to_thread
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from testbed.fault_proxy import Tripwire, open_line
from testbed.service import command, make_environment
from tests.api.products.files import rows

NOTHING = "Error: Interrupted. Nothing was imported.\n"
UNSURE = "Error: Interrupted during the commit. Import the file again to be sure.\n"


@pytest.fixture
def environment(tmp_path: Path, sqlite_database_url: str) -> dict[str, str]:
    (tmp_path / "mugs.ndjson").write_bytes(rows(20, "M"))
    return make_environment(tmp_path, DATABASE_URL=sqlite_database_url)


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "products", *arguments],
        cwd=environment["HOME"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestImport:
    def test_shows_progress_while_reading_and_storing(
        self, environment: dict[str, str]
    ) -> None:
        """Mutant: show nothing while storing, which takes longer than reading."""
        ended = command("products", "import", "mugs.ndjson", environment=environment)

        assert (ended.returncode, ended.stdout) == (
            0,
            "Created 20, updated 0, unchanged 0, failed 0.\n",
        )
        size = Path(environment["HOME"], "mugs.ndjson").stat().st_size
        assert ended.stderr == f"Reading: {size} of {size} bytes\nStoring 20 rows\n"

    def test_shows_no_size_for_a_pipe(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: show the size of the pipe, as in `Reading: 1520 of 1 bytes`."""
        os.mkfifo(tmp_path / "pipe")
        process = start(environment, "import", "pipe")
        (tmp_path / "pipe").write_bytes(rows(20, "M"))
        stdout, stderr = process.communicate()

        assert (process.returncode, stderr) == (0, "Reading\nStoring 20 rows\n")
        assert stdout == "Created 20, updated 0, unchanged 0, failed 0.\n"

    def test_reads_stdin_and_another_format(self, environment: dict[str, str]) -> None:
        """Mutants: look for a file named `-`; guess the format from its name."""
        lines = "sku,name,price,currency\nM-1,Mug,1.00,EUR\n"
        line = ("products", "import", "-", "--format", "csv")

        ended = command(*line, environment=environment, stdin=lines)

        new = "Created 1, updated 0, unchanged 0, failed 0.\n"
        assert ended.stdout == new, ended.stderr

    def test_tells_unchanged_rows_from_updated_ones(
        self, environment: dict[str, str], database_url: str
    ) -> None:
        """Mutants: count the unchanged rows as updated; ignore the price or the stock.

        A row without a stock does not change the stock of the product.
        """
        environment |= {"DATABASE_URL": database_url}
        head = "sku,name,price,currency,stock\n"
        counts = []
        for lines in (
            "M-1,Mug,1.00,EUR,3\nM-2,Mug,1.00,EUR,3\nM-3,Mug,1.00,EUR,3\n",
            "M-1,Mug,1.00,EUR,\nM-2,Mug,1.50,EUR,3\nM-3,Mug,1.00,EUR,4\nM-4,Mug,1,EUR,\n",
        ):
            line = ("products", "import", "-", "--format", "csv")
            ended = command(*line, environment=environment, stdin=head + lines)
            counts.append(ended.stdout)

        assert counts == [
            "Created 3, updated 0, unchanged 0, failed 0.\n",
            "Created 1, updated 2, unchanged 1, failed 0.\n",
        ]

    def test_shows_amounts_with_their_unit_on_a_terminal(
        self, environment: dict[str, str]
    ) -> None:
        """Mutant: show a bar and a percentage, but no amount."""
        size = Path(environment["HOME"], "mugs.ndjson").stat().st_size
        terminal, stderr = os.openpty()
        line = (sys.executable, "-m", "app", "products", "import", "mugs.ndjson")
        wide = environment | {"COLUMNS": "200", "TERM": "xterm"}
        subprocess.run(
            line, cwd=environment["HOME"], env=wide, stderr=stderr, check=True
        )
        os.close(stderr)
        shown = b""
        with suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(terminal, 65536):
                shown += chunk
        os.close(terminal)

        assert f"{size:,} of {size:,} bytes" in shown.decode()

    def test_names_the_invalid_lines_and_imports_nothing(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        with (tmp_path / "mugs.ndjson").open("ab") as file:
            file.write(b"{}\n")
        strict = command("products", "import", "mugs.ndjson", environment=environment)
        partial = command(
            *("products", "import", "mugs.ndjson", "--mode=partial"),
            environment=environment,
        )

        assert (strict.returncode, partial.returncode) == (1, 1)
        assert strict.stdout == ""
        assert "Line 21: #/sku " in strict.stderr
        assert strict.stderr.endswith("Error: Nothing was imported. Invalid rows: 1.\n")
        assert "Storing" not in strict.stderr
        assert partial.stdout == "Created 20, updated 0, unchanged 0, failed 1.\n"

    def test_prints_json_for_a_program(self, environment: dict[str, str]) -> None:
        line = ("products", "import", "-", "--json")
        good = command(*line, environment=environment, stdin=rows(2, "J").decode())
        bad = command(*line, environment=environment, stdin="{}\n")

        counts = {"created": 2, "updated": 0, "failed": 0, "errors": []}
        assert json.loads(good.stdout) == counts | {"unchanged": 0}
        report = json.loads(bad.stdout)
        assert (bad.returncode, report["failed"]) == (1, 1)
        assert report["errors"][0]["line"] == 1

    def test_shows_nothing_of_a_file_that_could_control_the_terminal(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: print the name of the unknown member."""
        member = '"\\u001b[31mEVIL\\u001b]0;t\\u202e\\u0007é"'
        (tmp_path / "evil.ndjson").write_text(f"{{{member}: 1}}\n")

        ended = command("products", "import", "evil.ndjson", environment=environment)

        assert "Line 1: # Extra inputs" in ended.stderr
        assert "EVIL" not in ended.stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_says_that_nothing_was_imported_if_it_is_interrupted(
        self, environment: dict[str, str], number: signal.Signals
    ) -> None:
        """Mutants: print only `Interrupted.`; end by SIGTERM without a message."""
        file = make_url(environment["DATABASE_URL"]).database or ""
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")  # holds the import back
            process = start(environment, "import", "mugs.ndjson")
            assert process.stderr
            while process.stderr.readline() != "Storing 20 rows\n":
                assert process.poll() is None
            process.send_signal(number)
        stdout, stderr = process.communicate()

        assert (process.returncode, stdout, stderr) == (130, "", NOTHING)
        exported = command("products", "export", environment=environment)
        assert (exported.returncode, exported.stdout) == (0, "")

    async def test_says_that_it_is_unsure_if_it_is_interrupted_during_the_commit(
        self, environment: dict[str, str], postgres_database_url: str
    ) -> None:
        """Mutant: say that nothing was imported after every interruption."""
        url = make_url(postgres_database_url)
        async with open_line(Tripwire(url.port or 0)) as line:
            line.phrase = b"COMMIT;"  # does not match ON COMMIT DROP
            own = url.set(port=line.port).render_as_string(hide_password=False)
            process = start(
                environment | {"DATABASE_URL": own}, "import", "mugs.ndjson"
            )
            await line.reached.wait()
            process.send_signal(signal.SIGTERM)
            _, stderr = await to_thread(process.communicate)
            line.cut.set()

        assert process.returncode == 130
        assert stderr.endswith("Storing 20 rows\n" + UNSURE)


@pytest.mark.parametrize("line", ["products export", "openapi"])
def test_a_closed_stdout_is_reported_in_one_line(
    environment: dict[str, str], line: str
) -> None:
    """Mutant: write to `sys.stdout` although it is None."""
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -m app {line} >&-', sys.executable],
        cwd=environment["HOME"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (1, "Error: stdout is closed.\n")
