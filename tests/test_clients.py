"""`make clients` writes a client for every operation; `drills.clients` uses them."""

import subprocess
import sys
from pathlib import Path

import pytest

from clients.__main__ import HERE
from testbed.service import ROOT
from tests.support.declared import document

TOOLS = ("node_modules/.bin/openapi-typescript", ".venv/bin/openapi-python-client")


@pytest.mark.skipif(
    not all((HERE / tool).exists() for tool in TOOLS),
    reason="The generators are not installed: run `make clients`.",
)
def test_every_operation_is_generated(tmp_path: Path) -> None:
    """Mutant: give an upload a media type that the Python generator leaves out."""
    line = (sys.executable, "-m", "clients", tmp_path)
    subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    typescript = (tmp_path / "schema.d.ts").read_text()
    python = {each.stem for each in tmp_path.glob("api_client/api/*/*.py")}
    for path, operations in document()["paths"].items():
        for operation in operations.values() if "notes" not in path else ():
            name = operation["operationId"]
            assert f"    {name}: {{\n" in typescript
            assert name in python
