"""The catalogue at a million products: files in and out, pages, searches, memory."""

import argparse
import asyncio
import http.client
import os
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import orjson
from rich.console import Console
from rich.progress import track
from rich.table import Table
from uuid_utils.compat import uuid7

from app.core.security import SecretRing
from app.core.tokens.cursor import CursorSigner
from app.demo.products import make_product
from app.schemas.product import ProductQuery
from app.services.products.exporting import FIELDS
from app.services.products.search import search_columns
from bench import data
from bench.load import ask
from bench.operations import Target
from bench.programs import Program
from bench.run import log_in, register
from testbed.postgres import start_postgres
from testbed.processes import ENVIRONMENT

GIVEN = ("sku", "name", "description", "price", "currency", "stock", "category")
WORDS = ("title_words", "category_words", "description_words")
RARE = "zyzzyva"
SELECT_EXPORTED = f"SELECT {', '.join(FIELDS)} FROM products ORDER BY id"
CHUNK = 1 << 20
errors = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(start_postgres(directory))
        environment = {
            **ENVIRONMENT,
            "PYTHONPATH": str(data.ROOT),
            "ENVIRONMENT": "staging",
            "RATE_LIMIT_ENABLED": "false",
            "ALLOWED_HOSTS": "127.0.0.1",
            "REGISTRATION": "open",
            "DATABASE_URL": postgres.url,
            "SECRET_KEY": secrets.token_hex(32),
            "ACCESS_TOKEN_EXPIRE_MINUTES": "60",
            "IMPORT_TIMEOUT_SECONDS": "3600",
            "GRACEFUL_TIMEOUT_SECONDS": "3600",
        }
        data.migrate(environment)
        file = directory / "products.ndjson"
        write_file(file, options.products)
        program = Program("this application", directory, environment)
        stack.callback(program.stop)
        program.start_on_a_free_port()
        register(program)
        asyncio.run(data.make_editor(postgres.url))
        report = Report(options.products)
        measure_files(report, program, postgres.url, file)
        measure_pages(report, program, postgres.url, environment)
    report.print()


class Report:
    def __init__(self, products: int) -> None:
        self.products = products
        self.table = Table(title=f"{products:,} products on PostgreSQL")
        for heading in ("what", "measured", "limit", "ratio"):
            self.table.add_column(
                heading, justify="left" if heading == "what" else "right"
            )

    def add_rate(self, what: str, seconds: float, limit: float) -> None:
        rates = (f"{self.products / each:,.0f} rows/s" for each in (seconds, limit))
        self.table.add_row(what, *rates, f"{limit / seconds:.2f}")

    def add_time(self, what: str, seconds: float, limit: float) -> None:
        times = (f"{each * 1000:.2f} ms" for each in (seconds, limit))
        self.table.add_row(what, *times, f"{seconds / limit:.2f}")

    def add_memory(self, what: str, grown: int) -> None:
        measured = f"{grown / 2**20:.0f} MiB"
        self.table.add_row(f"memory since idle, {what}", measured, "64 MiB", "")

    def print(self) -> None:
        Console().print(self.table)


def write_file(file: Path, count: int) -> None:
    with file.open("wb") as lines:
        for number in track(range(1, count + 1), "Writing", console=errors):
            product = make_product(number)
            row = {name: product[name] for name in (*GIVEN, "status")}
            if number % 10_000 == 0:
                row["name"] += f" {RARE}"
            lines.write(orjson.dumps(row, default=str) + b"\n")


def measure_files(report: Report, program: Program, url: str, file: Path) -> None:
    errors.print("Importing as fast as can be")
    bare, complete = asyncio.run(copy_in(url, file))
    token = log_in(program)
    errors.print("Importing")
    idle = resident(program)
    with most_memory(program) as most:
        seconds = upload(program, token, file)
    report.add_rate(
        "import / parse and COPY, same table and indexes", seconds, complete
    )
    report.add_rate("import / parse and COPY, bare heap", seconds, bare)
    report.add_memory("import", most[0] - idle)
    errors.print("Exporting")
    limit = asyncio.run(copy_out(url))
    for format_ in ("ndjson", "csv"):
        with most_memory(program) as most:
            seconds = download(program, token, format_)
        report.add_rate(f"export {format_} / COPY", seconds, limit)
        report.add_memory(format_, most[0] - idle)


async def copy_in(url: str, file: Path) -> tuple[float, float]:
    """Parse and COPY through one connection: into a heap, and with all indexes."""
    connection = await asyncpg.connect(url)
    columns = (*GIVEN, "status", *WORDS, "id", "version", "created_at", "updated_at")
    taken = []
    try:
        for including in ("", "INCLUDING ALL"):
            await connection.execute(f"CREATE TABLE raw (LIKE products {including})")
            started = time.perf_counter()
            async with connection.transaction():
                for records in batches(file):
                    await connection.copy_records_to_table(
                        "raw", records=records, columns=columns
                    )
            taken.append(time.perf_counter() - started)
            await connection.execute("DROP TABLE raw")
    finally:
        await connection.close()
    return taken[0], taken[1]


def batches(file: Path) -> Iterator[list[tuple[Any, ...]]]:
    now = datetime.now(UTC)
    with file.open("rb") as lines:
        while chunk := lines.readlines(CHUNK):
            rows = map(orjson.loads, chunk)
            yield [
                (
                    *(row["sku"], row["name"], row["description"]),
                    *(Decimal(row["price"]), row["currency"], row["stock"]),
                    *(row["category"], row["status"], *search_columns(row).values()),
                    *(uuid7(), 1, now, now),
                )
                for row in rows
            ]


async def copy_out(url: str) -> float:
    connection = await asyncpg.connect(url)
    size = 0

    async def count(chunk: bytes) -> None:
        nonlocal size
        size += len(chunk)

    try:
        started = time.perf_counter()
        await connection.copy_from_query(SELECT_EXPORTED, output=count)
        return time.perf_counter() - started
    finally:
        await connection.close()


def upload(program: Program, token: str, file: Path) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=3600)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/x-ndjson",
        "Content-Length": str(file.stat().st_size),
    }
    started = time.perf_counter()
    with file.open("rb") as body:
        connection.request("POST", "/api/v1/products/import", body, headers)
        response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer
    return time.perf_counter() - started


def download(program: Program, token: str, format_: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=3600)
    headers = {"Authorization": f"Bearer {token}"}
    started = time.perf_counter()
    path = f"/api/v1/products/export?format={format_}"
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    while response.read(CHUNK):
        pass
    return time.perf_counter() - started


def resident(program: Program) -> int:
    """The memory of the worker, in bytes."""
    assert program.process is not None
    arbiter = program.process.pid
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text()
    statm = Path(f"/proc/{children.split()[0]}/statm").read_text()
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def most_memory(program: Program) -> Iterator[list[int]]:
    """The most memory that the worker had, once the block has ended."""
    ended = threading.Event()
    most = [0]

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], resident(program))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def measure_pages(
    report: Report, program: Program, url: str, environment: Mapping[str, str]
) -> None:
    errors.print("Reading pages")
    page = report.products // 100
    offset = 20 * (page - 1) - 1  # of the last product of the page before
    rows = asyncio.run(
        query(
            url,
            "VACUUM ANALYZE products",
            "SELECT created_at, id FROM products WHERE status = 'active'"
            f" ORDER BY created_at DESC, id DESC OFFSET {offset} LIMIT 1",
        )
    )
    cursors = CursorSigner(SecretRing(environment["SECRET_KEY"].encode()))
    context = "products" + ProductQuery().model_dump_json(exclude={"limit", "cursor"})
    [[created_at, id_]] = rows
    deep = cursors.encode([0, created_at.isoformat(), UUID(str(id_)).hex], context)
    pages: dict[str, dict[str, object]] = {
        "first page": {},
        f"page {page:,}": {"cursor": deep},
        "search, common word": {"q": "blue"},
        "search, common word, by price": {"q": "blue", "sort": "price"},
        "search, rare word": {"q": RARE},
        "search, rare word, by price": {"q": RARE, "sort": "price"},
        "search, two words": {"q": f"blue {RARE}"},
        "search, no such word": {"q": "xylophone"},
    }
    first = 0.0
    for what, parameters in pages.items():
        path = "/products?" + urlencode(parameters)
        seconds = statistics.median(fetch(program, path) for _ in range(60))
        first = first or seconds
        report.add_time(what, seconds, first)


def fetch(program: Program, path: str) -> float:
    target = Target(program.port)
    request = target.request("GET", path)
    started = time.perf_counter()
    answer = ask(target, request)
    taken = time.perf_counter() - started
    assert answer.status == 200, answer
    return taken


async def query(url: str, *statements: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        rows: Any = None
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
