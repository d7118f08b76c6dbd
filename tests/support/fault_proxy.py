"""A bad line to a server: it cuts some answers in the middle."""

from asyncio import (
    FIRST_COMPLETED,
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

CHUNK = 65_536


class FaultProxy:
    """Relays connections, and dooms some: the first answer on them is cut in two.

    Which connections these are, counted as they come, depends on the seed alone.
    """

    def __init__(self, server_port: int, *, doomed: float, seed: int) -> None:
        self.server_port = server_port
        self.port = 0  # once it listens
        self.cut = 0
        self.doomed = doomed
        self.chance = Random(seed)  # noqa: S311

    async def relay(self, client: StreamReader, to_client: StreamWriter) -> None:
        doomed = self.chance.random() < self.doomed
        server, to_server = await open_connection("127.0.0.1", self.server_port)
        answers = self._cut(server, to_client) if doomed else _copy(server, to_client)
        ways = {create_task(_copy(client, to_server)), create_task(answers)}
        # Whoever hangs up first, nobody is left waiting for the other.
        await wait(ways, return_when=FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await gather(*ways, return_exceptions=True)
        to_client.close()
        to_server.close()

    async def _cut(self, server: StreamReader, to_client: StreamWriter) -> None:
        answer = await server.read(CHUNK)
        self.cut += bool(answer)
        to_client.write(answer[: len(answer) // 2])


async def _copy(source: StreamReader, target: StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()


@asynccontextmanager
async def open_bad_line(
    server_port: int, *, doomed: float, seed: int
) -> AsyncGenerator[FaultProxy]:
    """Listen on loopback; it ends when the clients have hung up."""
    proxy = FaultProxy(server_port, doomed=doomed, seed=seed)
    async with TaskGroup() as relays:
        listener = await start_server(
            lambda *ends: relays.create_task(proxy.relay(*ends)), "127.0.0.1"
        )
        async with listener:
            proxy.port = listener.sockets[0].getsockname()[1]
            yield proxy
