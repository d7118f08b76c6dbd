"""Replace the workers under load every few hundred requests: no request fails.

    python -m drills.recycling [--requests 3000] [--worker-class asgi]

Gunicorn does this with `--max-requests`, which limits the effect of a memory leak.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from drills.deployment import EMAIL, answered, calling, exits
from drills.program import main, make_parser, serving
from drills.timeline import Outcome, Timeline
from testbed.accounts import register
from testbed.service import WORKER_CLASSES, Service

RECYCLES, LONGEST_SECONDS = 6, 60


async def drill(service: Service, requests: int) -> Outcome:
    await asyncio.to_thread(register, service, EMAIL)
    seen = Timeline()
    async with calling(service.url, seen):
        await answered(seen, requests)
        # The faster the service answers, the more requests it takes.
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                while exits(service) < RECYCLES:
                    await asyncio.sleep(0.5)
    broken = seen.other_than("200")
    ended = exits(service)
    if ended < RECYCLES:
        broken.append(f"only {ended} workers were replaced")
    failed = len(seen.answers) - seen.counts()["200"]
    figures = f"{failed} of {len(seen.answers):,} failed, {ended} workers replaced"
    return Outcome(figures, broken, seen)


def run(home: Path, requests: int, worker_class: str) -> Outcome:
    most = requests // (RECYCLES + 3)
    with serving(
        home,
        *("--workers", "2", "--worker-class", worker_class),
        *("--max-requests", str(most), "--max-requests-jitter", str(most // 4)),
        DRAIN_DELAY_SECONDS="1",
    ) as (_, service):
        return asyncio.run(drill(service, requests))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--worker-class", choices=WORKER_CLASSES, default="asgi")
    main(parser, run)
