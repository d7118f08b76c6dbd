"""The service runs from the wheel alone, in a directory without the repository."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pytest

from app.identity import NAME
from testbed.processes import free_port
from testbed.service import ROOT, Service, make_environment, wait_for

BUILD = """
import sys, hatchling.build as backend
print(backend.build_wheel(sys.argv[1]), backend.build_sdist(sys.argv[1]))
"""
ON_THE_PATH = "import sys, app; print(app.__file__, *sys.path, sep='\\n')"

STRANGER = {"email": "stranger@example.org", "password": "a quiet orange typewriter"}


def run(
    *line: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    ended = subprocess.run(
        line, cwd=cwd, env=env, text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-c", BUILD, directory, cwd=ROOT)
    return directory / built.split()[-2]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the dependencies of this environment."""
    environment = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--no-index", "--no-deps", wheel),
        env={},  # pip would believe metadata that it finds in PYTHONPATH
    )
    [packages] = environment.glob("lib/*/site-packages")
    # Python adds the paths in this file, but does not read the .pth files at these
    # paths. One of them would put the repository on the path.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


@contextmanager
def serving(program: Path, environment: dict[str, str]) -> Iterator[Service]:
    home, port = Path(environment["HOME"]), free_port()
    with (home / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port)],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    service = Service(port, process, home / "service.log", environment)
    try:
        wait_for(service)
        yield service
    finally:
        process.terminate()
        process.wait(120)


def test_contains_every_file_of_the_package(wheel: Path) -> None:
    tracked = run("git", "ls-files", "app", cwd=ROOT).split()

    assert set(tracked) <= set(ZipFile(wheel).namelist())


def test_two_builds_of_the_same_files_are_the_same_bytes(
    wheel: Path, tmp_path: Path
) -> None:
    """Mutant: set `reproducible = false`, so that the archives hold times of files."""
    copy, again = tmp_path / "copy", tmp_path / "dist"
    for file in run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT
    ).splitlines():
        if (ROOT / file).exists():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
    again.mkdir()
    run(sys.executable, "-c", BUILD, again, cwd=copy)

    assert len([*again.iterdir()]) == 2
    for built in again.iterdir():
        first = wheel.parent / built.name
        assert built.read_bytes() == first.read_bytes(), built.name


def test_plain_gunicorn_has_the_configuration_in_any_directory(
    installed: Path, tmp_path: Path
) -> None:
    """Mutant: rely on `gunicorn.conf.py`, which is only in the repository."""
    gunicorn = [str(installed / "python"), "-m", "gunicorn", "--print-config"]
    options = ["app.main:app", "--config", "python:app.server.gunicorn_conf"]
    environment = make_environment(tmp_path)
    del environment["PYTHONPATH"]

    shown = run(
        *(*gunicorn, *options, "--workers", "4"),
        cwd=tmp_path,
        env=environment,
    )

    assert re.search(r"^logger_class += .*StructuredLogger", shown, re.MULTILINE)
    assert re.search(r"^keepalive += 75$", shown, re.MULTILINE)
    assert re.search(r"^workers += 4$", shown, re.MULTILINE)


def test_sets_up_and_serves(installed: Path, tmp_path: Path) -> None:
    """Mutant: look for the server's configuration next to the package."""
    environment = make_environment(tmp_path)
    del environment["PYTHONPATH"]
    here = partial(run, cwd=tmp_path, env=environment)

    package, *path = here(installed / "python", "-c", ON_THE_PATH).splitlines()
    setup = here(installed / NAME, "setup")
    with serving(installed / NAME, environment) as service:
        login = httpx2.post(
            f"{service.url}/api/v1/auth/login", json=STRANGER, timeout=60
        )
        pages = [
            httpx2.get(f"{service.url}/{page}", timeout=60)
            for page in ("docs", "account/verify-email", "account/page.js")
        ]
        malformed = httpx2.get(service.url, headers={"A": "a" * 70_000}, timeout=60)

    assert Path(package).is_relative_to(installed.parent)
    assert [
        each for each in path if (tmp_path / each / "pyproject.toml").exists()
    ] == []
    assert "Password, shown only once: " in setup
    assert (
        login.json()["code"] == "invalid_credentials"
    )  # the service has read the database
    assert {page.status_code for page in pages} == {200}
    assert malformed.headers["content-type"] == "application/problem+json"


def test_commands_that_change_code_need_a_checkout(
    installed: Path, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [installed / NAME, "new", "shop", "--title", "Shop"],
        cwd=tmp_path,
        env=make_environment(tmp_path, PYTHONPATH=""),
        text=True,
        capture_output=True,
        check=False,
    )

    said = "Error: `new` changes the code: run it in a git checkout.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", said)
