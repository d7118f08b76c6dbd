"""The commands of the tour in the README, run in a shell with each server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from testbed.service import ROOT, Service, command
from tests.support.servers import SERVERS, serve


@pytest.fixture(params=SERVERS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with serve(request.param, tmp_path, request) as service:
        demo = command("demo", "--products", "200", environment=service.environment)
        assert demo.returncode == 0, demo.stderr
        yield service


def test_the_commands_of_the_tour_work(service: Service, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    tour = readme.partition("<!-- tour of products -->\n```sh\n")[2].partition("```")[0]
    tour = tour.replace("http://127.0.0.1:8000", service.url)
    (tmp_path / ".venv").symlink_to(sys.prefix)

    ran = subprocess.run(
        ["bash", "-u"],
        input=tour,
        text=True,
        capture_output=True,
        cwd=tmp_path,
        env=service.environment,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    page, _, me, cheaper, stale, sold, short, _, gone = ran.stdout.splitlines()
    assert [p["category"] for p in orjson.loads(page)["items"]] == ["kitchen"] * 2
    assert orjson.loads(me)["role"] == "editor"
    assert orjson.loads(cheaper)["price"] == "11.00"
    assert orjson.loads(stale)["code"] == "precondition_failed"
    assert orjson.loads(sold)["stock"] == 1
    assert orjson.loads(short)["code"] == "insufficient_stock"
    assert orjson.loads(gone)["code"] == "invalid_token"
