"""Use connections again after a pause: the service has not closed any of them.

    python -m drills.idle [--seconds 61] [--worker-class asgi]

A load balancer keeps idle connections for up to 60 seconds. If the service closes such
a connection sooner, the next request on it is lost.
"""

import asyncio
from pathlib import Path

from drills.program import main, make_parser, serving
from drills.timeline import Outcome, Timeline
from testbed.service import WORKER_CLASSES, Service

CONNECTIONS = 200
LIVE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


async def ask_twice(service: Service, seconds: float, seen: Timeline) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for pause in (0.0, seconds):
        await asyncio.sleep(pause)
        sent = seen.now
        try:
            writer.write(LIVE)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
            seen.note(sent, int(head[9:12]))
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.note(sent, type(error).__name__)
    writer.close()


async def drill(service: Service, seconds: float) -> Outcome:
    seen = Timeline()
    async with asyncio.TaskGroup() as group:
        for number in range(CONNECTIONS):
            # The pauses differ, so that some end just before a timeout, some after it.
            pause = seconds * (1 + 0.1 * number / CONNECTIONS)
            group.create_task(ask_twice(service, pause, seen))

    answered = seen.counts()["200"] - CONNECTIONS
    figures = (
        f"{answered} of {CONNECTIONS} idle connections answer after "
        f"{seconds:g} to {seconds * 1.1:.0f} s"
    )
    return Outcome(figures, seen.other_than("200"), seen)


def run(home: Path, seconds: float, worker_class: str) -> Outcome:
    with serving(home, "--worker-class", worker_class) as (_, service):
        return asyncio.run(drill(service, seconds))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=61, help="shortest pause")
    parser.add_argument("--worker-class", choices=WORKER_CLASSES, default="asgi")
    main(parser, run)
