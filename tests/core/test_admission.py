"""The limit of simultaneous requests, on a simulated server and in an event loop."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from statistics import quantiles

import pytest

from app.core.admission import FEWEST, LONGEST_WAIT_SECONDS, Admission, Limit

MOST = 80
STEPS, STEP_SECONDS = 4, 0.001  # of one request, so that a process serves 250 a second
REFUSAL_SECONDS = 0.0001
CLIENT_WAITS_SECONDS = 1.0
CAPACITY = 1 / (STEPS * STEP_SECONDS)


@dataclass
class SimulatedServer:
    """An event loop: in each turn, all requests under way take one step."""

    limit: Limit
    now: float = 0.0
    arrived: float = 0.0
    under_way: deque[list[float]] = field(default_factory=deque)  # arrival, steps left
    latencies: list[float] = field(default_factory=list)

    def serve(self, rate: float, seconds: float) -> float:
        """Return the answers per second that came in time."""
        self.latencies, until = [], self.now + seconds
        self.arrived = self.now
        turn = 0.0
        while self.now < until:
            began = self.now
            while self.arrived <= began:
                if len(self.under_way) < self.limit.value:
                    self.under_way.append([self.arrived, STEPS])
                else:
                    self.limit.is_reached = True
                    self.now += REFUSAL_SECONDS
                self.arrived += 1 / rate
            for _ in range(len(self.under_way)):
                request = self.under_way.popleft()
                self.now += STEP_SECONDS
                request[1] -= 1
                if request[1]:
                    self.under_way.append(request)
                else:
                    self.latencies.append(self.now - request[0])
            turn = max(self.now - began, STEP_SECONDS)
            self.now = began + turn
            self.limit.adapt(turn)
        return sum(each < CLIENT_WAITS_SECONDS for each in self.latencies) / seconds


class TestSimulatedServer:
    def test_serves_its_capacity_fast_under_three_times_the_load(self) -> None:
        """Mutant: never lower the limit."""
        server = SimulatedServer(Limit(MOST))
        server.serve(3 * CAPACITY, 2)

        assert server.serve(3 * CAPACITY, 20) >= 0.9 * CAPACITY
        assert quantiles(server.latencies, n=100)[98] < MOST * STEPS * STEP_SECONDS / 2

    def test_serves_nearly_nothing_without_a_limit(self) -> None:
        """Without a limit most clients leave too early. So the test above can fail."""
        server = SimulatedServer(Limit(MOST, fixed=10_000))

        assert server.serve(3 * CAPACITY, 20) < 0.5 * CAPACITY

    def test_recovers_at_once(self) -> None:
        """Mutant: serve all requests that have waited before any new request."""
        server = SimulatedServer(Limit(MOST))
        server.serve(3 * CAPACITY, 5)

        assert server.serve(0.5 * CAPACITY, 1) >= 0.49 * CAPACITY


class TestLimit:
    @pytest.mark.parametrize("waits", [(1, 0), (0, 1)])
    def test_falls_to_the_fewest_and_rises_when_it_is_reached(
        self, waits: tuple[float, float]
    ) -> None:
        limit = Limit(MOST)
        for _ in range(50):
            limit.adapt(*waits)
        assert limit.value == FEWEST

        limit.adapt(turn_seconds=0)
        assert limit.value == FEWEST
        for _ in range(MOST):
            limit.is_reached = True
            limit.adapt(turn_seconds=0)
        assert limit.value == MOST

    def test_stays_if_it_is_fixed(self) -> None:
        limit = Limit(MOST, fixed=3)
        limit.adapt(turn_seconds=1)
        assert limit.value == 3


class TestAdmission:
    @pytest.fixture
    def limit(self) -> Limit:
        return Limit(MOST, fixed=1)

    async def test_gives_a_free_place_to_the_request_that_waits(
        self, limit: Limit
    ) -> None:
        admission = Admission(limit)
        assert admission.enter()
        assert not admission.enter()
        waiting = asyncio.create_task(admission.wait())
        await asyncio.sleep(0)
        assert not await admission.wait()  # because another request waits

        admission.leave()

        assert await waiting
        assert admission.under_way == 1

    async def test_refuses_after_a_short_wait(self, limit: Limit) -> None:
        """Mutants: wait for ever; count the request that was refused."""
        admission = Admission(limit)
        admission.enter()

        async with asyncio.timeout(1000 * LONGEST_WAIT_SECONDS):
            assert not await admission.wait()

        admission.leave()
        assert admission.under_way == 0
        assert admission.enter()

    async def test_refuses_at_once_while_the_event_loop_is_late(
        self, limit: Limit
    ) -> None:
        admission = Admission(limit)
        admission.enter()
        limit.adapt(turn_seconds=1)
        waiting = asyncio.create_task(admission.wait())
        await asyncio.sleep(0)
        assert waiting.done()
        assert not waiting.result()

    async def test_gives_back_the_place_of_a_request_that_is_cancelled(
        self, limit: Limit
    ) -> None:
        """Mutant: keep the place if the request got it at the same moment."""
        admission = Admission(limit)
        admission.enter()
        waiting = asyncio.create_task(admission.wait())
        await asyncio.sleep(0)
        admission.leave()
        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert admission.under_way == 0
