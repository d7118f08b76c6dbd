"""A load balancer that knows only the readiness of its instances."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import httpx2

from testbed.fault_proxy import Relay

READY = "/api/v1/health/ready"
# The sum of these two is longer than a worker needs to notice a signal. With a shorter
# sum, a service that stops without a delay would look right. DRAIN_DELAY_SECONDS must
# be longer than the sum.
PROBE_SECONDS, LAG_SECONDS = 0.3, 1.0


class Balancer(Relay):
    """Opens each connection to the next instance that is ready."""

    def __init__(self, *ports: int) -> None:
        super().__init__(ports[0])
        self.ready = list(ports)
        self.ports = ports

    async def relay(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        self.ready.append(self.ready.pop(0))
        self.server_port = self.ready[0]
        try:
            await super().relay(client, to_client)
        except ConnectionRefusedError:
            to_client.close()

    async def probe(self) -> None:
        """Ask each instance, and use the answers `LAG_SECONDS` later."""
        async with httpx2.AsyncClient(timeout=60) as client:
            while True:
                ready = [p for p in self.ports if await answers_ready(client, p)]
                loop = asyncio.get_running_loop()
                loop.call_later(LAG_SECONDS, self.use, ready or self.ports)
                await asyncio.sleep(PROBE_SECONDS)

    def use(self, ports: Sequence[int]) -> None:
        self.ready = list(ports)


async def answers_ready(client: httpx2.AsyncClient, port: int) -> bool:
    with suppress(httpx2.TransportError):
        answer = await client.get(f"http://127.0.0.1:{port}{READY}")
        return answer.status_code == httpx2.codes.OK
    return False
