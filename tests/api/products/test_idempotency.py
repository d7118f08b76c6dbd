"""Repeated stock changes and imports with an `Idempotency-Key`."""

import json

from httpx2 import Response

from tests.api.products.files import MUG, NDJSON
from tests.support.people import Client

KEY = {"Idempotency-Key": "k"}


def assert_replayed(first: Response, again: Response) -> None:
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


class TestStockChange:
    async def test_is_applied_once_when_it_is_repeated(self, editor: Client) -> None:
        product = (await editor.post("/products", json=MUG)).json()
        url = f"/products/{product['id']}"
        change = {"delta": 5, "reason": "delivery"}

        answers = [
            await editor.post(f"{url}/stock", json=change, headers=KEY)
            for _ in range(3)
        ]

        assert {answer.json()["stock"] for answer in answers} == {5}
        assert_replayed(*answers[:2])
        moves = await editor.get(f"{url}/movements")
        assert len(moves.json()["items"]) == 1


class TestImport:
    async def test_is_recognised_by_its_bytes_and_media_type(
        self, editor: Client
    ) -> None:
        """Mutants: compare without the media type; compare it with its parameters."""
        url, content = "/products/import", json.dumps(MUG)
        first = await editor.post(url, content=content, headers=NDJSON | KEY)

        with_charset = {"Content-Type": "application/X-NDJSON ; charset=utf-8"}
        again = await editor.post(url, content=content, headers=with_charset | KEY)
        as_csv = {"Content-Type": "text/csv"}
        other = await editor.post(url, content=content, headers=as_csv | KEY)

        assert_replayed(first, again)
        assert other.status_code == 422
        assert other.json()["code"] == "idempotency_key_reused"
