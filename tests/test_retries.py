"""Clients that repeat requests because the connection loses answers."""

from asyncio import Semaphore, gather, sleep
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from testbed.accounts import create_account, log_in
from testbed.fault_proxy import FaultProxy, open_line
from testbed.service import Service, make_environment, start_service

USER = "user@example.org"
NOTES = 200
LIKES = 50
AT_ONCE = 16
TRY_AGAIN = {"idempotency_key_in_use", "overloaded"}
ONE_ANSWER_EACH = httpx2.Limits(max_keepalive_connections=0)


@pytest.fixture
def service(
    backend: str, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Service]:
    on_sqlite = backend == "sqlite"
    environment = make_environment(
        tmp_path,
        DATABASE_URL=database_url,
        REDIS_URL="" if on_sqlite else request.getfixturevalue("redis_url"),
        SECRET_KEY="a-long-enough-key-that-is-only-for-tests-0123456789",
    )
    create_account(USER, environment=environment)
    workers = ("--workers", "1" if on_sqlite else "2")
    with start_service(
        tmp_path, *workers, environment=environment, app="tests.notes.served:app"
    ) as service:
        yield service


@dataclass
class Intent:
    """A request that must take effect once, from a client with a short timeout."""

    key: str
    path: str
    body: dict[str, Any]
    patience: float  # seconds; doubled after each timeout
    given_up: int = 0

    async def deliver(self, client: httpx2.AsyncClient) -> httpx2.Response:
        """Send the request until a complete answer arrives."""
        while True:
            try:
                answer = await client.post(
                    self.path,
                    json=self.body,
                    headers={"Idempotency-Key": self.key},
                    timeout=self.patience,
                )
            except httpx2.TransportError as error:
                self.given_up += isinstance(error, httpx2.TimeoutException)
                self.patience *= 2
                continue
            if answer.json().get("code") not in TRY_AGAIN:
                return answer
            await sleep(self.patience)


async def listed(client: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 100}
    while query.get("cursor", "") is not None:
        page = (await client.get(path, params=query)).json()
        items += page["items"]
        query["cursor"] = page["next_cursor"]
    return items


async def test_each_intent_has_one_effect_and_one_answer(service: Service) -> None:
    """Mutants: ignore the header; store the answer in another transaction; do not lock.

    A unique title would refuse a repeated note. Only the key finds repeated likes.
    """
    api = f"{service.url}/api/v1"
    token = log_in(service, USER)
    liked = httpx2.post(f"{api}/notes", json={"title": "Liked"}, headers=token).json()
    likes = f"/notes/{liked['id']}/likes"
    chance = Random(7)  # noqa: S311
    wanted: list[tuple[str, dict[str, Any]]] = [(likes, {"delta": 1})] * LIKES
    wanted += [("/notes", {"title": f"Note {number}"}) for number in range(NOTES)]
    chance.shuffle(wanted)
    intents = [
        Intent(f"intent-{number}", path, body, chance.uniform(0.03, 0.4))
        for number, (path, body) in enumerate(wanted)
    ]
    turns = Semaphore(AT_ONCE)

    async with (
        open_line(FaultProxy(service.port, doomed=0.1, seed=7)) as line,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{line.port}/api/v1",
            headers=token,
            limits=ONE_ANSWER_EACH,
        ) as client,
    ):

        async def deliver(intent: Intent) -> httpx2.Response:
            async with turns:
                return await intent.deliver(client)

        firsts = await gather(*map(deliver, intents))
        agains = await gather(*map(deliver, intents))
    async with httpx2.AsyncClient(base_url=api, headers=token) as client:
        notes = await listed(client, "/notes")

    assert line.cut > 0
    assert sum(intent.given_up for intent in intents) > 0
    assert {answer.status_code for answer in firsts} == {200, 201}
    assert any("idempotent-replayed" in answer.headers for answer in firsts)
    assert all("idempotent-replayed" in answer.headers for answer in agains)
    assert [again.content for again in agains] == [first.content for first in firsts]
    made = {answer.json()["id"] for answer in firsts}
    assert len(notes) == len(made) == NOTES + 1
    assert {note["id"]: note["likes"] for note in notes if note["likes"]} == {
        liked["id"]: LIKES
    }
    assert {note["id"] for note in notes} == made
    assert "http.unhandled_error" not in service.log_file.read_text()
