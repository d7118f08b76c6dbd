import shutil
from pathlib import Path

import pytest

from reference.pages import write
from testbed.service import ROOT

PAGE = Path("docs/security.md")
ROW = "| `GET /users/me` |"


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page with the table of routes, in a copy of the documentation."""
    for name in ("docs", "deploy/prometheus", "deploy/grafana"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in (".env.example", "openapi.json"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return PAGE.read_text()


def test_the_generated_pages_are_current(generated: str) -> None:
    assert write(check=True) == []


def test_a_missing_row_is_reported_and_added(generated: str) -> None:
    """Mutant: keep the existing table."""
    rows = generated.splitlines(keepends=True)
    PAGE.write_text("".join(row for row in rows if not row.startswith(ROW)))

    assert write(check=True) == [PAGE]
    assert write(check=False) == [PAGE]
    assert PAGE.read_text() == generated


def test_the_text_around_the_table_is_kept(generated: str) -> None:
    PAGE.write_text(f"Before.\n{generated}After.\n")

    assert write(check=False) == []
    assert PAGE.read_text() == f"Before.\n{generated}After.\n"


def test_a_page_without_the_marks_is_refused(generated: str) -> None:
    PAGE.write_text(generated.replace("<!-- end of routes -->", ""))

    with pytest.raises(ValueError, match="needs the lines"):
        write(check=True)
