"""Describes operations. Every program gets the same bytes in the same order."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PREFIX = "/api/v1"
CONNECTIONS = 16


@dataclass(frozen=True)
class Goal:
    """A ratio that must not be worse than `floor`, and should reach `aim`.

    If the aim is not below the floor, larger figures are better.
    """

    floor: float
    aim: float

    def verdict(self, measured: float) -> str:
        if self._holds(measured, self.aim):
            return "aim"
        return "floor" if self._holds(measured, self.floor) else "missed"

    def _holds(self, measured: float, bound: float) -> bool:
        return measured >= bound if self.aim >= self.floor else measured <= bound


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
        body: Mapping[str, Any] | None = None,
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

    All programs must answer with the same status and as many bytes. The part of the
    body that `compared` returns must be the same, too. The goal is a share of the raw
    program's throughput.
    """

    title: str
    requests: Callable[[Target], Iterator[bytes]]  # endless
    goal: Goal
    compared: Callable[[bytes], object] = len
    connections: int = CONNECTIONS
    is_mixed: bool = False  # its requests cost different amounts
    limited: bool = False  # the application counts its limit `all` in Valkey

    @property
    def is_special(self) -> bool:
        """Whether only the raw program and the application are measured."""
        return self.limited or self.connections != CONNECTIONS
