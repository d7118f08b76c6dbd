"""nginx with the sample configuration, in front of running instances."""

import os
from collections.abc import Sequence
from pathlib import Path

from app.identity import NAME
from testbed.reverse_proxy import ReverseProxy

AROUND = """
{user} daemon off; pid {home}/nginx.pid; worker_processes 1; error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site.conf;
}}
"""


class Nginx(ReverseProxy):
    name = "nginx"
    sample = "nginx.conf"

    def __init__(self, directory: Path, instances: Sequence[str]) -> None:
        super().__init__(directory, instances)
        self.request_log = directory / f"{NAME}.log"

    @property
    def changes(self) -> dict[str, str]:
        return {
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "/var/log/nginx": str(self.directory),
        }

    def _command(self) -> Sequence[str | Path]:
        (self.directory / "site.conf").write_text(self.configuration())
        main = self.directory / "nginx.conf"
        # If root starts nginx, its workers by default run as a user who cannot enter
        # this directory.
        user = "" if os.geteuid() else "user root;"
        main.write_text(AROUND.format(home=self.directory, user=user))
        return [str(self.binary()), "-e", self.directory / "error.log", "-c", main]
