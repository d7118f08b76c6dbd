"""What is asked: the same bytes, in the same order, of every program."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any

PREFIX = "/api/v1"
EMAIL = "bench@example.com"
PASSWORD = "correct horse battery staple"
NAMES = ("get", "list", "me", "create", "login")

_serial = count(1)


@dataclass(frozen=True)
class Target:
    """A program under load, and what its requests need to know."""

    port: int
    product_ids: Sequence[str] = ()
    token: str = ""

    def requests(self, operation: str) -> Iterator[bytes]:
        """An endless list; only `create` never repeats itself, for its unique SKU."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        match operation:
            case "get":
                while True:
                    yield from self._gets()
            case "list":
                yield from repeat(self.request("GET", "/products?limit=20"))
            case "me":
                yield from repeat(self.request("GET", "/users/me", headers=bearer))
            case "create":
                while True:
                    product = new_product(next(_serial))
                    yield self.request("POST", "/products", product, bearer)
            case "login":
                credentials = {"email": EMAIL, "password": PASSWORD}
                yield from repeat(self.request("POST", "/auth/login", credentials))

    def _gets(self) -> Sequence[bytes]:
        ids = random.Random(1).sample(self.product_ids, k=1000)  # noqa: S311
        return [self.request("GET", f"/products/{product_id}") for product_id in ids]

    def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        content = json.dumps(body).encode() if body else b""
        fields = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if body:
            fields["Content-Type"] = "application/json"
            fields["Content-Length"] = str(len(content))
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join([f"{method} {PREFIX}{path} HTTP/1.1", *lines])
        return f"{head}\r\n\r\n".encode() + content


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
