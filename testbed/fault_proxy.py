"""Proxies that delay or cut answers, or hold a connection when a test asks for it."""

from asyncio import (
    FIRST_COMPLETED,
    Event,
    StreamReader,
    StreamWriter,
    TaskGroup,
    create_task,
    gather,
    open_connection,
    sleep,
    start_server,
    wait,
)
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

CHUNK = 65_536


class Relay:
    """Passes bytes on in both directions. Subclasses disturb one direction."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0  # set when it listens

    async def relay(self, client: StreamReader, to_client: StreamWriter) -> None:
        server, to_server = await open_connection("127.0.0.1", self.server_port)
        ways = {
            create_task(self.ask(client, to_server)),
            create_task(self.answer(server, to_client)),
        }
        # When one side hangs up, the other side must not wait for more bytes.
        await wait(ways, return_when=FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await gather(*ways, return_exceptions=True)
        to_client.close()
        to_server.close()

    async def ask(self, client: StreamReader, to_server: StreamWriter) -> None:
        await _copy(client, to_server)

    async def answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        await _copy(server, to_client)


class SlowServer(Relay):
    """Passes each part of an answer on after `seconds`."""

    def __init__(self, server_port: int, *, seconds: float) -> None:
        super().__init__(server_port)
        self.seconds = seconds

    async def answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        while part := await server.read(CHUNK):
            await sleep(self.seconds)
            to_client.write(part)
            await to_client.drain()


class FaultProxy(Relay):
    """Cuts the first answer on some connections in half.

    The seed decides which, in the order in which the connections arrive.
    """

    def __init__(self, server_port: int, *, doomed: float, seed: int) -> None:
        super().__init__(server_port)
        self.cut = 0
        self.doomed = doomed
        self.chance = Random(seed)  # noqa: S311

    async def answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        if self.chance.random() >= self.doomed:
            await super().answer(server, to_client)
            return
        answer = await server.read(CHUNK)
        self.cut += bool(answer)
        to_client.write(answer[: len(answer) // 2])


class Tripwire(Relay):
    """Holds a connection when its client next sends `phrase`.

    The server does not receive the phrase. The test then ends the connection: it sets
    `cut` or stops the server.
    """

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self.phrase: bytes | None = None
        self.reached = Event()
        self.cut = Event()

    async def ask(self, client: StreamReader, to_server: StreamWriter) -> None:
        while chunk := await client.read(CHUNK):
            if self.phrase is not None and self.phrase in chunk:
                self.phrase = None
                self.reached.set()
                await self.cut.wait()
                return
            to_server.write(chunk)
            await to_server.drain()


async def _copy(source: StreamReader, target: StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()


Line = TypeVar("Line", bound=Relay)


@asynccontextmanager
async def open_line(relay: Line) -> AsyncGenerator[Line]:
    """Listen on loopback until the block ends and all clients have hung up."""
    async with TaskGroup() as connections:
        listener = await start_server(
            lambda *ends: connections.create_task(relay.relay(*ends)), "127.0.0.1"
        )
        async with listener:
            relay.port = listener.sockets[0].getsockname()[1]
            yield relay
