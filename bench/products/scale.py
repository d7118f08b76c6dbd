"""Measures imports, exports, pages and searches with many products."""

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import orjson
from rich.console import Console
from rich.progress import track
from uuid_utils.compat import uuid7

from app.demo.products import make_product
from app.services.products.files.copying import FIELDS
from app.services.products.search import search_columns
from bench.accounts.operations import log_in
from bench.load import ask
from bench.operations import Target
from bench.scale import Report, Service
from testbed.postgres import execute

SETTINGS = {"IMPORT_TIMEOUT_SECONDS": "3600", "GRACEFUL_TIMEOUT_SECONDS": "3600"}
GIVEN = ("sku", "name", "description", "price", "currency", "stock", "category")
WORDS = ("title_words", "category_words", "description_words")
RARE = "zyzzyva"
SELECT_EXPORTED = f"SELECT {', '.join(FIELDS)} FROM products ORDER BY id"
CHUNK = 1 << 20
errors = Console(stderr=True)


def measure(report: Report, service: Service) -> None:
    file = service.directory / "products.ndjson"
    write_file(file, report.rows)
    measure_files(report, service, file)
    asyncio.run(execute(service.database_url, "VACUUM ANALYZE products"))
    measure_pages(report, service)


def write_file(file: Path, count: int) -> None:
    with file.open("wb") as lines:
        for number in track(range(1, count + 1), "Writing", console=errors):
            product = make_product(number)
            row = {name: product[name] for name in (*GIVEN, "status")}
            if number % 10_000 == 0:
                row["name"] += f" {RARE}"
            lines.write(orjson.dumps(row, default=str) + b"\n")


def measure_files(report: Report, service: Service, file: Path) -> None:
    errors.print("Importing by COPY, without the service")
    bare, complete = asyncio.run(copy_in(service.database_url, file))
    headers = {"Authorization": f"Bearer {log_in(service.port)}"}
    errors.print("Importing")
    idle = service.program.resident_bytes()
    with service.watch_memory() as most:
        seconds = upload(service.port, headers, file)
    report.add_rate(
        "import / parse and COPY, same table and indexes", seconds, complete
    )
    report.add_rate("import / parse and COPY, bare heap", seconds, bare)
    report.add_memory("import", most[0] - idle)
    errors.print("Exporting")
    limit = asyncio.run(copy_out(service.database_url))
    for format_ in ("ndjson", "csv"):
        with service.watch_memory() as most:
            seconds = download(service.port, headers, format_)
        report.add_rate(f"export {format_} / COPY", seconds, limit)
        report.add_memory(format_, most[0] - idle)


async def copy_in(url: str, file: Path) -> tuple[float, float]:
    """Parse a file and COPY it through one connection. Return two times in seconds.

    The first is for a table without indexes, the second for one with all indexes.
    """
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


def upload(port: int, headers: dict[str, str], file: Path) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    headers = {
        **headers,
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


def download(port: int, headers: dict[str, str], format_: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    started = time.perf_counter()
    path = f"/api/v1/products/export?format={format_}"
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    while response.read(CHUNK):
        pass
    return time.perf_counter() - started


def measure_pages(report: Report, service: Service) -> None:
    errors.print("Reading pages")
    page, cursor = skip(service.port, report.rows // 5)
    pages: dict[str, dict[str, object]] = {
        "first page": {},
        f"page {page:,}": {"cursor": cursor},
        "search, common word": {"q": "blue"},
        "search, common word, by price": {"q": "blue", "sort": "price"},
        "search, rare word": {"q": RARE},
        "search, rare word, by price": {"q": RARE, "sort": "price"},
        "search, two words": {"q": f"blue {RARE}"},
        "search, no such word": {"q": "xylophone"},
    }
    first = 0.0
    for what, parameters in pages.items():
        taken = (fetch(service.port, parameters)[0] for _ in range(60))
        seconds = statistics.median(taken)
        first = first or seconds
        report.add_time(what, seconds, first)


def skip(port: int, products: int) -> tuple[int, str]:
    """Skip this many products. Return the number and the cursor of the next page."""
    query: dict[str, object] = {"limit": 100}
    turns = max(1, products // 100)
    for _ in range(turns):
        _, answer = fetch(port, query)
        query["cursor"] = answer["next_cursor"]
    return turns * 5 + 1, str(query["cursor"])  # a page has 20 products by default


def fetch(port: int, query: dict[str, object]) -> tuple[float, Any]:
    target = Target(port)
    request = target.request("GET", "/products?" + urlencode(query))
    started = time.perf_counter()
    answer = ask(target, request)
    taken = time.perf_counter() - started
    assert answer.status == 200, answer
    return taken, json.loads(answer.body)
