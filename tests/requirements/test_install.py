"""`make install` only runs code whose hash is in a lock file."""

import os
import subprocess
import sys
import sysconfig
import tarfile
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from app.identity import NAME
from testbed.service import ROOT

SOURCE = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
    "pyproject.toml": """
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
    """,
}


class Environment:
    """A virtual environment that `make install` fills, without a package index."""

    def __init__(self, directory: Path, tool: str) -> None:
        self.directory = directory
        self.packages = directory / "packages"
        self.packages.mkdir()
        self.binaries = directory / "venv/bin"
        line = [sys.executable, "-m", "venv", "--without-pip", f"{directory}/venv"]
        subprocess.run(line, check=True)
        if tool == "uv":
            (self.binaries / "uv").symlink_to(Path(sys.prefix) / "bin/uv")
        pip = self.binaries / "pip"
        pip.write_text(f'#!/bin/sh\nexec {self.binaries}/python -m pip "$@"\n')
        pip.chmod(0o755)
        # Add the build backend, pip, and the dependencies of the command.
        [site_packages] = directory.glob("venv/lib/*/site-packages")
        (site_packages / "tools.pth").write_text(sysconfig.get_path("purelib"))

    def install(self, lock: str = "") -> subprocess.CompletedProcess[str]:
        requirements = self.directory / "lock.txt"
        requirements.write_text(lock)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(self.packages),
            "PIP_NO_INDEX": "1",
            "UV_CACHE_DIR": str(self.directory / "cache"),
            "UV_FIND_LINKS": str(self.packages),
            "UV_OFFLINE": "1",
        }
        return subprocess.run(
            [
                *("make", "install", f"VENV={self.directory}/venv"),
                *(f"REQUIREMENTS={requirements}", f"STAMP={self.directory}/stamp"),
            ],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def add_wheel(self) -> str:
        """Add a wheel. Return the line of a lock file that requires it."""
        wheel = self.packages / "parcel-1.0-py3-none-any.whl"
        with ZipFile(wheel, "w") as archive:
            archive.writestr("parcel.py", "")
            archive.writestr("parcel-1.0.dist-info/METADATA", SOURCE["PKG-INFO"])
            archive.writestr(
                "parcel-1.0.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(
                "parcel-1.0.dist-info/RECORD",
                "parcel.py,,\nparcel-1.0.dist-info/METADATA,,\n"
                "parcel-1.0.dist-info/WHEEL,,\nparcel-1.0.dist-info/RECORD,,\n",
            )
        return locked(wheel)

    def add_source(self, built: Path) -> str:
        """Add a source, and return the line of a lock file that requires it.

        The build of the source writes the file `built`.
        """
        source = self.directory / "parcel-1.0"
        source.mkdir()
        for name, text in SOURCE.items():
            (source / name).write_text(text)
        (source / "backend.py").write_text(f"open({str(built)!r}, 'w').close()")
        with tarfile.open(self.packages / "parcel-1.0.tar.gz", "w:gz") as archive:
            archive.add(source, source.name)
        return locked(self.packages / "parcel-1.0.tar.gz")

    def has_parcel(self) -> bool:
        return any(self.directory.glob("venv/lib/*/site-packages/parcel-*"))


def locked(file: Path) -> str:
    return f"parcel==1.0 --hash=sha256:{sha256(file.read_bytes()).hexdigest()}\n"


@pytest.fixture(params=["uv", "pip"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Environment:
    return Environment(tmp_path, request.param)


class TestInstall:
    def test_installs_the_locked_packages_and_the_command(
        self, environment: Environment
    ) -> None:
        """Mutant: build in isolation, which downloads what the build needs."""
        made = environment.install(environment.add_wheel())

        assert made.returncode == 0, made.stdout
        assert environment.has_parcel()
        command = [str(environment.binaries / NAME), "--help"]
        assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0

    def test_refuses_a_package_without_a_hash(self, environment: Environment) -> None:
        """Mutant: do not require hashes."""
        environment.add_wheel()

        assert environment.install("parcel==1.0\n").returncode != 0
        assert not environment.has_parcel()

    def test_refuses_to_build_a_package(
        self, environment: Environment, tmp_path: Path
    ) -> None:
        """Mutant: also install sources, whose build can run any code."""
        built = tmp_path / "built"

        assert environment.install(environment.add_source(built)).returncode != 0
        assert not built.exists()
