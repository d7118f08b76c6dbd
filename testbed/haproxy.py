"""HAProxy with the sample configuration, in front of running instances."""

from collections.abc import Sequence
from pathlib import Path

from testbed.reverse_proxy import ReverseProxy


class Haproxy(ReverseProxy):
    name = "haproxy"
    sample = "haproxy.cfg"

    @property
    def changes(self) -> dict[str, str]:
        return {
            "bind :80\n": f"bind 127.0.0.1:{self.port}\n",
            # Removed, because only root can become another user.
            "    user haproxy\n    group haproxy\n": "",
            # One thread, as nginx has one worker process here.
            "log /dev/log local0": "nbthread 1\n    log stdout format raw local0",
        }

    def _command(self) -> Sequence[str | Path]:
        file = self.directory / "haproxy.cfg"
        file.write_text(self.configuration().replace("unix:", "unix@"))
        # -dW: a warning is an error.
        return [str(self.binary()), "-db", "-dW", "-f", file]
