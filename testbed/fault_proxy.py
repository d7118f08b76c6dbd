"""Bad lines to a server: they cut answers, or break where somebody says so."""

from asyncio import (
    FIRST_COMPLETED,
    Event,
    StreamReader,
    StreamWriter,
    TaskGroup,
    create_task,
    gather,
    open_connection,
    start_server,
    wait,
)
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

CHUNK = 65_536


class Relay:
    """Passes on what connections say; who inherits spoils it."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0  # once it listens

    async def relay(self, client: StreamReader, to_client: StreamWriter) -> None:
        server, to_server = await open_connection("127.0.0.1", self.server_port)
        ways = {
            create_task(self.ask(client, to_server)),
            create_task(self.answer(server, to_client)),
        }
        # Whoever hangs up first, nobody is left waiting for the other.
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


class FaultProxy(Relay):
    """Dooms some connections: the first answer on them is cut in two.

    Which connections these are, counted as they come, depends on the seed alone.
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
    """Holds a connection up where its client says `phrase`, the next time only.

    The server does not hear it. Then the test ends the connection, by `cut` or by the
    server.
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
    """Listen on loopback; it ends when the clients have hung up."""
    async with TaskGroup() as connections:
        listener = await start_server(
            lambda *ends: connections.create_task(relay.relay(*ends)), "127.0.0.1"
        )
        async with listener:
            relay.port = listener.sockets[0].getsockname()[1]
            yield relay
