"""Measures the CPU time of requests to programs inside one process, without a server.

`python -m bench.inside WHAT FILE` writes the result as JSON. The bench starts it as a
separate process, because the application writes its log to stdout.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice, repeat
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.config import get_settings
from app.core.logging import writer
from app.main import create_application, middleware
from bench import data
from bench.accounts.operations import EMAIL, login, read_token
from bench.contest import OPERATIONS
from bench.load import FIRST_ERROR
from bench.operations import Target
from bench.programs import APPLICATION, RAW
from bench.replay import ReplayingLoop

ROUNDS, WARM_UP = 40, 2
TIMES = 16  # requests of a program in a round
LAYER_TIMES = 256
BODY = b"{}"
Figures = dict[str, dict[str, float]]


def measure(environment: Mapping[str, str], directory: Path, what: str) -> Figures:
    """Run `WHAT` in a process with this environment, on a prepared database."""
    file = directory / "inside.json"
    with (directory / "inside.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "bench.inside", what, str(file)],
            env=environment,
            cwd=directory,
            stdout=log,
            check=True,
        )
    figures: Figures = json.loads(file.read_text())
    return figures


async def operations() -> Figures:
    """Measure the raw program and the application, operation by operation."""
    # Imported here, because these modules read settings that only this process has.
    from bench.comparison import DATABASE_URL
    from bench.raw_asgi import app as raw

    # Read only the first row, because the loop repeats the answer that it has recorded.
    ids = {name: ids[:1] for name, ids in (await data.fill(DATABASE_URL)).items()}
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(running(create_application()))
        programs = {
            RAW: await stack.enter_async_context(running(raw)),
            APPLICATION: ours,
        }
        answer = await ask(ours, next(login(Target(0), EMAIL)))
        target = Target(0, read_token(answer), ids)
        return {
            name: await best(programs, operation.requests(target), TIMES)
            for name, operation in OPERATIONS.items()
            if not (operation.is_special or operation.is_mixed)
        }


async def layers() -> Figures:
    """Measure one layer after the other around an endpoint that does nothing."""
    stack, served = middleware(get_settings()), create_application()
    stacks = {
        str(getattr(layer.cls, "__name__", layer.cls)): inside_of(served, stack[:depth])
        for depth, layer in enumerate(stack, 1)
    }
    stacks = {"": inside_of(served, ()), **stacks}
    requests = repeat(Target(0).request("GET", "/nothing"))
    costs = await best(stacks, requests, LAYER_TIMES)
    return {
        "layers": {
            name: costs[name] - before
            for (name, before) in zip(list(costs)[1:], costs.values(), strict=False)
        }
    }


async def best(
    programs: Mapping[str, ASGIApp], requests: Iterator[bytes], times: int
) -> dict[str, float]:
    """Measure the programs in turns. Return the CPU microseconds for one request.

    The figure is that of the best round of a program, because other processes have
    disturbed this round least. The first rounds warm up, and the loop records the
    answers of the database in them.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ReplayingLoop)
    measured: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(-WARM_UP, ROUNDS):
        loop.replaying = turn >= 0
        for name, app in programs.items():
            sent = [*islice(requests, times)]
            cpu = time.process_time()
            for request in sent:
                await ask(app, request)
            writer.drain()  # otherwise its thread works in the turn of another program
            cpu = time.process_time() - cpu
            if turn >= 0:
                measured[name].append(cpu / times * 1e6)
    loop.replaying = False
    return {name: min(rounds) for name, rounds in measured.items()}


async def ask(app: ASGIApp, request: bytes) -> bytes:
    """Send a request, and return the body of the answer."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split()
    path, _, query = target.partition(b"?")
    fields = (line.partition(b": ") for line in lines)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode(),
        "scheme": "http",
        "path": path.decode(),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, _, value in fields],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    answer = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal answer
        assert message.get("status", 200) < FIRST_ERROR, message
        answer += message.get("body", b"")

    await app(scope, receive, send)
    return answer


def inside_of(app: FastAPI, layers: Sequence[Middleware]) -> ASGIApp:
    """Put the layers around an endpoint that does nothing, as `app` has them."""
    within: ASGIApp = answer_nothing
    for layer in reversed(layers):
        within = layer.cls(within, *layer.args, **layer.kwargs)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await within(scope, receive, send)

    return call


async def answer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncGenerator[ASGIApp]:
    """Start and stop an application as a server does."""
    asked: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.ensure_future(app(scope, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    started = await told.get()
    assert started["type"] == "lifespan.startup.complete", started
    yield app
    await asked.put({"type": "lifespan.shutdown"})
    await life


def main() -> None:
    what, file = sys.argv[1:]
    work = {"operations": operations, "layers": layers}[what]
    with asyncio.Runner(loop_factory=ReplayingLoop) as runner:
        Path(file).write_text(json.dumps(runner.run(work())))


if __name__ == "__main__":
    main()
