"""`make audit` lists the packages of the service, and finds known advisories."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from app.identity import NAME
from testbed.processes import free_port
from testbed.service import ROOT

ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}],
        }
    ],
}


class Osv(HTTPServer):
    """Answers like OSV; `vulnerable` names the packages with an advisory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Query)
        self.url = f"http://127.0.0.1:{self.server_port}/v1/query"
        self.vulnerable: set[str] = set()
        self.asked: set[tuple[str, str]] = set()
        self.answers_until: int | None = None


class Query(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        query: dict[str, Any] = json.loads(body)
        name = query["package"]["name"]
        known = len(self.server.asked) != self.server.answers_until
        self.send_response(200 if known else 503)
        self.end_headers()
        if known:
            self.server.asked.add((name, query["version"]))
            vulnerable = name in self.server.vulnerable
            answer = {"vulns": [ADVISORY]} if vulnerable else {}
            self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Keep the log of requests out of the output of the tests."""


@pytest.fixture
def osv() -> Iterator[Osv]:
    with Osv() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(directory: Path, url: str, *variables: str) -> tuple[int, str]:
    """Run `make audit`, which installs nothing: the tests have its tools already."""
    ended = subprocess.run(
        [
            *("make", "audit", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/audit"),
            *(f"SBOM={directory}/sbom.json", f"ARGS=--osv-url={url}", *variables),
        ],
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return ended.returncode, ended.stdout


def locked(name: str) -> dict[tuple[str, str], set[str]]:
    """Return the hashes of each name and version in a lock file."""
    found: dict[tuple[str, str], set[str]] = {}
    hashes: set[str] = set()
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if pin := re.match(r"([\w.-]+)(?:\[.*\])?==(\S+)", line):
            hashes = found[pin[1], pin[2]] = set()
        elif digest := re.search(r"--hash=sha256:(\w+)", line):
            hashes.add(digest[1])
    return found


class TestBillOfMaterials:
    def test_lists_exactly_the_locked_packages_with_their_hashes(
        self, osv: Osv, tmp_path: Path
    ) -> None:
        """Mutant: describe the packages of the tests instead."""
        status, output = audit(tmp_path, osv.url)
        assert status == 0, output
        # The command has validated this file against the schema of CycloneDX.
        bill = json.loads((tmp_path / "sbom.json").read_text())

        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
        assert bill["metadata"]["component"]["name"] == NAME
        assert {
            (part["name"], part["version"]): {
                digest["content"]
                for source in part["externalReferences"]
                for digest in source["hashes"]
            }
            for part in bill["components"]
        } == locked("base.txt")


class TestAdvisories:
    def test_are_looked_up_for_every_lock(self, osv: Osv, tmp_path: Path) -> None:
        """Mutant: leave out a lock file."""
        assert audit(tmp_path, osv.url)[0] == 0
        asked = {name for name, _ in osv.asked}
        assert {"fastapi", "pytest", "uv", "hatchling", "pip-audit"} <= asked

    def test_fail_the_audit(self, osv: Osv, tmp_path: Path) -> None:
        """Mutant: exit 0 although an advisory was found."""
        osv.vulnerable = {"jinja2"}
        status, output = audit(tmp_path, osv.url)

        assert status != 0
        assert re.search(
            r"jinja2 \S+: PYSEC-2026-1, CVE-2026-1; fixed in 99.0\n", output
        )

    @pytest.mark.parametrize("answers", [0, 3])
    def test_are_not_checked_when_the_source_fails(
        self, osv: Osv, tmp_path: Path, answers: int
    ) -> None:
        """Mutant: count a package as safe when the source gives an error."""
        osv.answers_until = answers

        status, output = audit(tmp_path, osv.url)
        assert "Advisories not checked" in output
        assert "0 advisories" not in output
        assert status == 0
        assert audit(tmp_path, osv.url, "STRICT=1")[0] != 0

    def test_are_not_checked_when_the_source_is_away(self, tmp_path: Path) -> None:
        url = f"http://127.0.0.1:{free_port()}"

        status, output = audit(tmp_path, url)
        [line] = [line for line in output.splitlines() if "not checked" in line]
        assert "make audit ARGS='--osv-url URL'" in line
        assert status == 0
        assert audit(tmp_path, url, "STRICT=1")[0] != 0
