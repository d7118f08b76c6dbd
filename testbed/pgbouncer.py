"""PgBouncer in transaction mode, in front of a PostgreSQL."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from testbed.postgres import PostgresServer
from testbed.processes import Server

BINARY = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
CONFIGURATION = """
[databases]
postgres = host=127.0.0.1 port={server_port} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {home}/users
pool_mode = transaction
default_pool_size = 3
"""


class PgBouncer(Server):
    name = "pgbouncer"
    parting = signal.SIGTERM

    def __init__(self, directory: Path, postgres: PostgresServer) -> None:
        super().__init__(directory)
        self.postgres = postgres
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            self.account = postgres.account
            directory.chmod(0o755)

    @property
    def url(self) -> str:
        url = make_url(self.postgres.url).set(port=self.port)
        return url.render_as_string(hide_password=False)

    def _command(self) -> Sequence[str | Path]:
        assert BINARY is not None
        password = self.postgres.password
        (self.directory / "users").write_text(f'"app" "{password}"\n')
        file = self.directory / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(
                server_port=self.postgres.port,
                password=password,
                port=self.port,
                home=self.directory,
            )
        )
        return [BINARY, file]


@contextmanager
def start_pgbouncer(directory: Path, postgres: PostgresServer) -> Iterator[PgBouncer]:
    server = PgBouncer(directory, postgres)
    try:
        server.start_on_a_free_port()
        yield server
    finally:
        server.end(signal.SIGTERM)
