"""nginx with the sample configuration, in front of running instances."""

import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.processes import Server
from testbed.service import ROOT

BINARY = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
SAMPLE = ROOT / "deploy" / "nginx.conf"
AROUND = """
daemon off; pid {home}/nginx.pid; worker_processes 1; error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site.conf;
}}
"""


class Nginx(Server):
    name = "nginx"
    parting = signal.SIGTERM

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        super().__init__(directory)
        self.ports = ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        assert BINARY is not None
        site = SAMPLE.read_text()
        for sample, port in zip((8001, 8002), self.ports, strict=True):
            site = site.replace(f"127.0.0.1:{sample}", f"127.0.0.1:{port}")
        site = site.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        site = site.replace("/var/log/nginx", str(self.directory))
        (self.directory / "site.conf").write_text(site)
        main = self.directory / "nginx.conf"
        main.write_text(AROUND.format(home=self.directory))
        return [BINARY, "-e", self.directory / "error.log", "-c", main]

    def _is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def start_nginx(directory: Path, ports: Sequence[int]) -> Iterator[Nginx]:
    """Run nginx in front of the instances at two ports."""
    server = Nginx(directory, ports)
    try:
        server.start_on_a_free_port()
        yield server
    finally:
        server.end(signal.SIGTERM)
