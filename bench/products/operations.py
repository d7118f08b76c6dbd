"""Reading products and adding them."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, cycle, repeat
from typing import Any

from bench.accounts.operations import me
from bench.operations import Goal, Operation, Target

SKU = "BENCH-00000000"
# How many of a hundred requests are of each kind. Most are reads, as in a shop.
MIXED = {"get": 70, "list": 15, "me": 10, "create": 5}
_serial = count(1)


def get(
    target: Target, headers: Iterable[Mapping[str, str]] = repeat({})
) -> Iterator[bytes]:
    paths = [f"/products/{id_}" for id_ in target.ids["products"]]
    sent = zip(paths, headers, strict=False)
    return cycle([target.request("GET", path, headers=each) for path, each in sent])


def get_known(target: Target) -> Iterator[bytes]:
    return get(target, repeat({"If-None-Match": '"v1"'}))


def get_from_many(target: Target) -> Iterator[bytes]:
    """Read each product as a different client: a trusted proxy names its address."""
    numbers = (divmod(number, 250) for number in count())
    return get(target, ({"X-Forwarded-For": f"10.0.{a}.{b}"} for a, b in numbers))


def list_(target: Target) -> Iterator[bytes]:
    return repeat(target.request("GET", "/products?limit=20"))


def items(body: bytes) -> Any:
    """The products of a page, without the cursor, which each program signs."""
    return json.loads(body)["items"]


def create(target: Target) -> Iterator[bytes]:
    """Add products whose SKUs never repeat, because they must be unique."""
    request = target.request("POST", "/products", NEW_PRODUCT, target.bearer)
    before, after = request.split(SKU.encode())
    for serial in _serial:
        yield b"%bBENCH-%08d%b" % (before, serial, after)


def mixed(target: Target) -> Iterator[bytes]:
    parts = {"get": get, "list": list_, "me": me, "create": create}
    requests = {name: parts[name](target) for name in MIXED}
    order = [name for name, times in MIXED.items() for _ in range(times)]
    random.Random(1).shuffle(order)  # noqa: S311
    return (next(requests[name]) for name in cycle(order))


NEW_PRODUCT = {
    "sku": SKU,
    "name": "A product made by the bench",
    "description": "As long as a description often is." * 3,
    "price": "19.99",
    "currency": "EUR",
    "stock": 7,
    "category": "bench",
    "status": "active",  # lists would have to skip drafts
}
OPERATIONS = {
    "get": Operation("GET one product", get, Goal(0.55, 0.70), compared=bytes),
    "get-known": Operation(
        "GET that answers 304", get_known, Goal(0.55, 0.70), compared=bytes
    ),
    "list": Operation("list of 20 products", list_, Goal(0.60, 0.75), compared=items),
    "create": Operation("POST product, committed", create, Goal(0.45, 0.60)),
    "mixed": Operation(
        "mixed 70/15/10/5: get, list, me, create",
        mixed,
        Goal(0.55, 0.70),
        is_mixed=True,
    ),
    "get-1": Operation(
        "GET, 1 connection", get, Goal(0.50, 0.65), compared=bytes, connections=1
    ),
    "get-64": Operation(
        "GET, 64 connections", get, Goal(0.50, 0.65), compared=bytes, connections=64
    ),
    "get-limited": Operation(
        "GET, all requests limited in Valkey",
        get_from_many,
        Goal(0.50, 0.60),
        compared=bytes,
        limited=True,
    ),
}
