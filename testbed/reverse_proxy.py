"""A reverse proxy with its sample configuration, in front of two instances."""

import shutil
import signal
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.processes import Server
from testbed.service import ROOT


class ReverseProxy(Server):
    """`instances` are two addresses, as `host:port` or `unix:/path`."""

    parting = signal.SIGTERM
    sample: str  # below deploy/

    def __init__(self, directory: Path, instances: Sequence[str]) -> None:
        super().__init__(directory)
        self.instances = instances
        self.request_log = self.log

    @classmethod
    def binary(cls) -> str | None:
        return shutil.which(cls.name, path="/usr/sbin:/usr/bin:/usr/local/bin")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def changes(self) -> dict[str, str]:
        """The texts of the sample to replace, with their replacements."""

    def configuration(self) -> str:
        text = (ROOT / "deploy" / self.sample).read_text()
        first, second = self.instances
        of_instances = {"127.0.0.1:8001": first, "127.0.0.1:8002": second}
        for old, new in (of_instances | self.changes).items():
            assert old in text, f"{self.sample} lacks {old}"
            text = text.replace(old, new)
        return text


@contextmanager
def start_proxy(
    kind: type[ReverseProxy], directory: Path, instances: Sequence[str]
) -> Iterator[ReverseProxy]:
    proxy = kind(directory, instances)
    try:
        proxy.start_on_a_free_port()
        yield proxy
    finally:
        proxy.end(signal.SIGTERM)
