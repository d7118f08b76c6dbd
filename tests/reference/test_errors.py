import re
import subprocess
import sys

from testbed.service import ROOT

LIST = "from reference.errors import errors; print(*(e.code for e in errors()))"
CODE = re.compile(r'^    code = "(\w+)"$', re.MULTILINE)


def test_lists_the_code_of_every_error() -> None:
    """Mutant: forget the errors of the parsers, which the application never raises."""
    line = [sys.executable, "-c", LIST]
    listed = subprocess.run(line, cwd=ROOT, text=True, capture_output=True, check=True)

    sources = [file.read_text() for file in ROOT.glob("app/**/*.py")]
    written = {code for source in sources for code in CODE.findall(source)}
    assert set(listed.stdout.split()) == written
    assert "request_malformed" in written
