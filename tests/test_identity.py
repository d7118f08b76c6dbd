"""Only two files contain the project's name, so that a copy can be renamed."""

import re
import subprocess

import pytest

from app.identity import NAME, TITLE
from scaffold import upstream
from testbed.service import ROOT

CODE = ("*.py", "*.toml", "*.sh", "*.lua", "*.js", "*.html", "Makefile", ".ci/run")


def letters(text: str) -> str:
    """Spell `Corner Shop`, `corner-shop` and `CORNER_SHOP` alike."""
    return re.sub(r"[^a-z0-9\n]", "", text.lower())


@pytest.mark.skipif(
    (ROOT / upstream.FILE).exists(), reason="The name of a copy can be a common word."
)
def test_only_pyproject_and_identity_contain_the_name() -> None:
    line = ["git", "ls-files", *CODE]
    listed = subprocess.run(line, cwd=ROOT, text=True, capture_output=True, check=True)

    texts = {file: (ROOT / file).read_text() for file in listed.stdout.splitlines()}
    names = {letters(NAME), letters(TITLE)}
    found = {
        file
        for file, text in texts.items()
        if any(name in letters(text) for name in names)
    }

    assert found == {"app/identity.py", "pyproject.toml"}
