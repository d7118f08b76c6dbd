"""Stop a worker: metrics show the delay, and gunicorn replaces the worker.

    python -m drills.hang

A stopped worker behaves like one with a blocked event loop. The other worker goes on.
New connections that the kernel gives to the stopped worker get no answer. When this
worker has sent no heartbeat for 30 seconds, gunicorn replaces it.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from drills.program import main, make_parser, serving, workers
from drills.timeline import Outcome, Timeline
from testbed.service import Service

BLOCKED_SECONDS = 2.0
TOKEN = "a-token-of-the-drills"
REPLACED_WITHIN_SECONDS = 45  # gunicorn waits 30 s, and checks only now and then
AFTERWARDS = 100


async def longest_lag(client: httpx2.AsyncClient) -> float:
    """Return the lower bound of the bucket with the longest delay of the event loop."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = (await client.get("/metrics", headers=headers)).text
    [lag] = [
        family
        for family in text_string_to_metric_families(text)
        if family.name == "event_loop_lag_seconds"
    ]
    buckets = [each for each in lag.samples if each.name.endswith("_bucket")]
    most = max(each.value for each in buckets)
    below = [float(each.labels["le"]) for each in buckets if each.value < most]
    return max(below, default=0.0)


async def drill(service: Service) -> Outcome:
    seen, broken = Timeline(), []
    async with httpx2.AsyncClient(base_url=service.url, timeout=60) as client:
        first, second = workers(service)
        with seen.fault(f"{BLOCKED_SECONDS:g} s"):
            os.kill(first, signal.SIGSTOP)
            await asyncio.sleep(BLOCKED_SECONDS)
            os.kill(first, signal.SIGCONT)
        async with asyncio.timeout(60):
            while (lag := await longest_lag(client)) < BLOCKED_SECONDS / 4:
                await asyncio.sleep(0.1)
                if seen.now > 20:
                    broken.append("no metric shows the delay")
                    break
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        with seen.fault("stopped for good"):
            while first in workers(service) or len(workers(service)) < 2:
                if time.monotonic() > began + REPLACED_WITHIN_SECONDS:
                    broken.append(f"not replaced within {REPLACED_WITHIN_SECONDS} s")
                    os.kill(first, signal.SIGKILL)
                    break
                await asyncio.sleep(0.1)
        took = time.monotonic() - began
        if second not in workers(service):
            broken.append("the other worker was replaced")
        await asyncio.gather(*(ask(service, seen) for _ in range(AFTERWARDS)))
    broken += seen.other_than("200")
    figures = f"delay shown in the bucket above {lag:g} s; replaced after {took:.0f} s"
    return Outcome(figures, broken, seen)


async def ask(service: Service, seen: Timeline) -> None:
    sent = seen.now
    async with httpx2.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{service.url}/api/v1/health/live")
    seen.note(sent, answer.status_code)


def run(home: Path) -> Outcome:
    with serving(home, "--workers", "2", METRICS_TOKEN=TOKEN) as (_, service):
        return asyncio.run(drill(service))


if __name__ == "__main__":
    main(make_parser(__doc__), run)
