"""Reading products and adding them."""

import json
import random
from collections.abc import Iterator
from itertools import count, cycle, repeat
from typing import Any

from bench.operations import Operation, Target

_serial = count(1)


def get(target: Target) -> Iterator[bytes]:
    ids = random.Random(1).sample(target.ids["products"], k=1000)  # noqa: S311
    return cycle([target.request("GET", f"/products/{id_}") for id_ in ids])


def list_(target: Target) -> Iterator[bytes]:
    return repeat(target.request("GET", "/products?limit=20"))


def items(body: bytes) -> Any:
    """The products of a page: the cursors are signed, each program by its own key."""
    return json.loads(body)["items"]


def create(target: Target) -> Iterator[bytes]:
    """Add products whose SKUs never repeat, because they must be unique."""
    for serial in _serial:
        yield target.request("POST", "/products", new_product(serial), target.bearer)


def new_product(serial: int) -> dict[str, Any]:
    return {
        "sku": f"BENCH-{serial:08}",
        "name": "A product made by the bench",
        "description": "As long as a description often is." * 3,
        "price": "19.99",
        "currency": "EUR",
        "stock": 7,
        "category": "bench",
        "status": "draft",
    }


OPERATIONS = {
    "get": Operation(get, compared=bytes),
    "list": Operation(list_, compared=items),
    "create": Operation(create, repeatable=False),
}
