"""Probes in the background whether the database and Redis answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from app.core.errors import explain
from app.core.logging import get_logger
from app.core.rate_limit.reply_timeout import ReplyTimeout

log = get_logger(__name__)

Probe = Callable[[], Awaitable[object]]  # raises if the dependency does not answer

PROBE_SECONDS = 0.5
# One failure does not count as an outage: a single failure can happen in all instances
# at the same time.
FAILURES = 2


class HealthMonitor:
    """Probes every dependency in the background, so that readiness never waits."""

    def __init__(self, probes: Mapping[str, Probe], interval: float) -> None:
        self.probes = probes
        self.interval = interval
        # None until the first probe, so that the result of this probe is always logged.
        self.healthy: dict[str, bool | None] = dict.fromkeys(probes)
        self.failures = dict.fromkeys(probes, 0)
        self._timeout = ReplyTimeout(PROBE_SECONDS)
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Wait for one probe of each dependency, then probe in the background."""
        await self.probe()
        self._task = asyncio.create_task(self._run(), name="health")

    async def stop(self) -> None:
        """Stop, but wait for a running probe.

        If a probe is cancelled, its connection can stay open.
        """
        self._stopped.set()
        if self._task is not None:
            await self._task

    async def probe(self) -> None:
        await asyncio.gather(*(self._probe(name) for name in self.probes))

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self.interval)
            if self._stopped.is_set():
                return
            await self.probe()

    async def _probe(self, name: str) -> None:
        try:
            await self._timeout.wait(self.probes[name]())
        except Exception as error:  # any error means that the dependency is not healthy
            self.failures[name] += 1
            if not self.healthy[name] or self.failures[name] >= FAILURES:
                self._note(name, healthy=False, **explain(error))
        else:
            self.failures[name] = 0
            self._note(name, healthy=True)

    def _note(self, name: str, *, healthy: bool, **fields: str) -> None:
        if self.healthy[name] != healthy:
            if healthy:
                log.info("dependency.healthy", dependency=name)
            else:
                log.error("dependency.unhealthy", dependency=name, **fields)
        self.healthy[name] = healthy
