"""Servers as child processes, which never outlive the tests."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

# A server does not get the caller's PG* variables, locale or HOME.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
LEASH = Path(__file__).with_name("leash.py")
READY_WITHIN_SECONDS = 120.0
STOPPED_WITHIN_SECONDS = 120.0
PORT_ATTEMPTS = 5


class ServerFailed(RuntimeError):
    """A server did not start; the message ends with the tail of its log."""


def package_directory(name: str) -> Path:
    """Find a package that is needed only for its binaries, without importing it."""
    package = find_spec(name)
    if package is None or package.origin is None:
        raise ServerFailed(f"The package {name} is not installed.")
    return Path(package.origin).parent


def leashed(
    command: Sequence[str | Path], parting: signal.Signals, account: str
) -> list[str]:
    """Wrap a command so that `parting` ends it when the calling *thread* ends."""
    leash = [sys.executable, "-I", "-S", LEASH, os.getpid(), int(parting), account]
    return [str(part) for part in (*leash, *command)]


def free_port() -> int:
    """Find a loopback port that no process listens on.

    The port is below the range that the kernel gives to outgoing connections: in that
    range a client that retries while the server is down can connect to itself.
    """
    for _ in range(100):
        port = random.randrange(15_000, 32_000)  # noqa: S311
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("No free port between 15000 and 32000.")


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run processes that start in the block, and their children, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server(ABC):
    """A server on a loopback port, which stays the same after a restart.

    Start it from a thread that lives longer than the server, because the end of that
    thread kills the server.
    """

    name: str
    parting: ClassVar[signal.Signals]  # ends the server immediately
    environment: Mapping[str, str] = ENVIRONMENT
    account = "-"  # "UID:GID" to run as, unless "-"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / f"{self.name}.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the credentials."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    def _is_ready(self) -> bool:
        """Whether a process listens. Override it for a server that starts slowly."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start or restart on the same port, and return when the server answers."""
        if self.is_running:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                leashed(self._command(), self.parting, self.account),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
                # Ctrl-C at the terminal must end the tests before the server.
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        try:
            while not self._is_ready():
                if not self.is_running:
                    raise self._failure("ended")
                if time.monotonic() > deadline:
                    raise self._failure("is not ready")
                time.sleep(0.01)
        except BaseException:
            self.end(self.parting)
            raise

    def start_on_a_free_port(self) -> None:
        """Start the server. If another process has taken its port, use another port."""
        for _ in range(PORT_ATTEMPTS - 1):
            try:
                return self.start()
            except ServerFailed as failure:
                if "address already in use" not in str(failure).lower():
                    raise
                self.port = free_port()
        return self.start()

    def end(self, number: signal.Signals) -> None:
        """Send the signal, even to a paused process, and wait until it has ended."""
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(STOPPED_WITHIN_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _failure(self, what: str) -> ServerFailed:
        tail = self.log.read_text(errors="replace").splitlines()[-30:]
        return ServerFailed("\n".join((f"{self.name} {what}. Its log:", *tail)))
