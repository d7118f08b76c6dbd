"""The form of an operation: the same bytes, in the same order, for every program."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Target:
    """A program under load, and what its requests need to know."""

    port: int
    token: str = ""
    ids: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by resource

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        content = json.dumps(body).encode() if body else b""
        fields = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if body:
            fields["Content-Type"] = "application/json"
            fields["Content-Length"] = str(len(content))
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join([f"{method} {PREFIX}{path} HTTP/1.1", *lines])
        return f"{head}\r\n\r\n".encode() + content


@dataclass(frozen=True)
class Operation:
    """One kind of request.

    All programs must answer with the same status and as many bytes. What `compared`
    takes out of the body must be the same, too.
    """

    requests: Callable[[Target], Iterator[bytes]]  # endless
    compared: Callable[[bytes], object] = len
    repeatable: bool = True  # False if a program refuses a request that it had before
