"""Sends requests at a steady rate, whether or not the service keeps up."""

import asyncio
from collections.abc import Sequence

from drills.timeline import Timeline

GIVES_UP_AFTER_SECONDS = 1.0


class Connection(asyncio.Protocol):
    """A connection with at most one request. After the answer it is in `idle` again."""

    def __init__(
        self, idle: list["Connection"], seen: Timeline, gives_up_after: float
    ) -> None:
        self.idle, self.seen, self.gives_up_after = idle, seen, gives_up_after
        self.sent: float | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.received, self.sent = b"", self.seen.now
        loop = asyncio.get_running_loop()
        self.patience = loop.call_later(self.gives_up_after, self.end, "timeout")
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if found and self.sent is not None:
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            if len(body) >= int(length):
                self.seen.note(self.sent, int(head[9:12]))
                self.sent = None
                self.patience.cancel()
                self.idle.append(self)

    def end(self, outcome: str) -> None:
        if self.sent is not None:
            self.seen.note(self.sent, outcome)
            self.sent = None
            self.patience.cancel()
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.end("cut")
        if self in self.idle:
            self.idle.remove(self)


class Load:
    """Repeats requests in turn, without waiting for answers, as real clients do."""

    def __init__(
        self,
        port: int,
        requests: Sequence[bytes],
        seen: Timeline,
        *,
        gives_up_after: float = GIVES_UP_AFTER_SECONDS,
    ) -> None:
        self.port, self.requests, self.seen = port, requests, seen
        self.gives_up_after = gives_up_after
        self.idle: list[Connection] = []

    async def at_rate(self, per_second: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        async with asyncio.TaskGroup() as opening:
            while (elapsed := loop.time() - began) < seconds:
                for number in range(sent, int(elapsed * per_second)):
                    request = self.requests[number % len(self.requests)]
                    if self.idle:
                        self.idle.pop().ask(request)
                    else:
                        opening.create_task(self._ask_on_a_new_one(request))
                    sent = number + 1
                await asyncio.sleep(0.002)

    async def _ask_on_a_new_one(self, request: bytes) -> None:
        sent = self.seen.now
        try:
            async with asyncio.timeout(self.gives_up_after):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self.idle, self.seen, self.gives_up_after),
                    *("127.0.0.1", self.port),
                )
        except (TimeoutError, OSError) as error:
            self.seen.note(sent, type(error).__name__)
            return
        connection.ask(request)
        connection.sent = sent

    async def back_to_back(self, connections: int, seconds: float) -> None:
        """Send the next request after each answer, to measure the capacity."""
        async with asyncio.timeout(seconds + 60):
            await asyncio.gather(
                *(self._repeat(number, seconds) for number in range(connections))
            )

    async def _repeat(self, number: int, seconds: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        ends = self.seen.now + seconds
        while self.seen.now < ends:
            sent = self.seen.now
            writer.write(self.requests[number % len(self.requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
            self.seen.note(sent, int(head[9:12]))
        writer.close()
