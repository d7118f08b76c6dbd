"""An event loop that records the answers of PostgreSQL, and then repeats them.

A request then does not wait for a socket, so its CPU time hardly depends on the load of
the machine.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import uvloop

BIND = b"B"
READY = b"Z\x00\x00\x00\x05"  # ReadyForQuery; one byte follows


class ReplayingLoop(uvloop.Loop):
    """Repeats known answers if `replaying` is true. The server gets other questions."""

    replaying = False

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *args: Any,
        **options: Any,
    ) -> Any:
        _, recorder = await super().create_connection(
            lambda: Recorder(self, protocol_factory()), *args, **options
        )
        return recorder.questions, recorder.protocol


class Recorder(asyncio.Protocol):
    """Stands between a connection and its protocol, and records each answer."""

    def __init__(self, loop: ReplayingLoop, protocol: asyncio.Protocol) -> None:
        self.loop = loop
        self.protocol = protocol
        self.answers: dict[bytes, bytes] = {}
        self.asked = self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.questions = Questions(self, transport)
        self.protocol.connection_made(self.questions)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received[-6:-1] == READY:
            self.answers[self.asked] = self.received
        self.protocol.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.protocol.connection_lost(error)

    def eof_received(self) -> bool | None:
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


class Questions:
    """The transport that the protocol writes to."""

    def __init__(self, recorder: Recorder, transport: Any) -> None:
        self.recorder = recorder
        self.transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.recorder.protocol = protocol  # called after the question for TLS

    def write(self, data: bytes) -> None:
        recorder, question = self.recorder, statement(bytes(data))
        if recorder.loop.replaying and question in recorder.answers:
            answer = recorder.answers[question]
            recorder.loop.call_soon(recorder.protocol.data_received, answer)
        else:
            recorder.asked, recorder.received = question, b""
            self.transport.write(data)

    def writelines(self, buffers: Iterable[bytes]) -> None:
        self.write(b"".join(buffers))


def statement(data: bytes) -> bytes:
    """Return the name of the prepared statement in `data`, or else the whole text."""
    if not data.startswith(BIND):
        return data
    _, name, _ = data[5:].split(b"\0", 2)
    return name
