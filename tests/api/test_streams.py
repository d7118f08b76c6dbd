"""Streamed answers, and their limits for slow clients."""

from asyncio import Event, Semaphore, create_task
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Message
from structlog.testing import capture_logs

from app.api.middleware.deadline import DeadlineExceeded
from app.api.streams import HEADERS_ONLY, StreamedResponse
from tests.api.middleware.exchange import ask, http_scope
from tests.support.download import Download
from tests.support.people import Client

EXPORT = "/notes/export"
LIMIT = timedelta(seconds=60)


class TestSlowClient:
    @pytest.mark.parametrize("overrides", [{"db_pool_size": 2}])
    async def test_holds_a_slot_until_it_has_read_everything(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutants: stream without slots; release a slot before the end."""
        await user.post("/notes", json={"title": "Groceries"})
        slow = Download(app, user, EXPORT)
        downloading = create_task(slow.run())
        await slow.begun.wait()

        refused = await user.get(EXPORT)
        other = await user.get("/notes")
        slow.resumed.set()
        await downloading
        again = await user.get(EXPORT)

        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"]
        assert (other.status_code, again.status_code) == (200, 200)
        assert not slow.sent[-1]["more_body"]

    async def test_is_disconnected_when_it_stops_reading(self) -> None:
        """Mutant: wait for the client for ever."""
        content, slots = Content(), Semaphore(1)
        patience = timedelta(seconds=0.1)
        response = StreamedResponse(content.chunks(), slots, LIMIT, patience=patience)

        async def send(message: Message) -> None:
            if message.get("body") == b"second":
                await Event().wait()

        with pytest.raises(ClientDisconnect):
            await response.stream_response(send)

        assert content.ended
        assert not slots.locked()


class TestLimit:
    @pytest.mark.parametrize("overrides", [{"export_timeout_seconds": 1}])
    async def test_cuts_an_answer_that_the_client_still_reads(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutant: limit only the time of each chunk."""
        await user.post("/notes", json={"title": "Groceries"})
        slow = Download(app, user, EXPORT)

        with capture_logs() as logs:
            await slow.run()

        assert slow.sent[-1]["more_body"]  # so the client sees that the end is missing
        [cut] = [line for line in logs if line["event"] == "http.cut"]
        assert cut["code"] == "deadline_exceeded"
        assert (await user.get(EXPORT)).status_code == 200  # the slot is free

    async def test_before_the_first_chunk_is_answered_as_an_error(self) -> None:
        """Mutant: treat each timeout as a disconnect of the client."""
        content = Content(first=Event().wait)
        limit = timedelta(seconds=0.1)
        response = StreamedResponse(content.chunks(), Semaphore(1), limit)

        with pytest.raises(DeadlineExceeded):
            await ask(response, http_scope())

        assert content.ended


class TestClientThatDisconnects:
    async def test_ends_the_generator(self) -> None:
        """Mutant: do not close the generator, but leave it to garbage collection."""
        content, slots = Content(), Semaphore(1)
        response = StreamedResponse(content.chunks(), slots, LIMIT)

        async def send(_: Any) -> None:
            raise OSError("the client went")

        with pytest.raises(OSError, match="the client went"):
            await response.stream_response(send)

        assert content.ended
        assert not slots.locked()


class TestHeadRequest:
    async def test_does_not_start_the_generator(self) -> None:
        """Mutant: answer HEAD by discarding the content of GET."""
        content = Content()
        response = StreamedResponse(content.chunks(), Semaphore(1), LIMIT)

        answer = await ask(response, {**http_scope(), HEADERS_ONLY: True})

        assert (answer.status, answer.body) == (200, b"")
        assert not content.begun


async def nothing() -> None: ...


class Content:
    def __init__(self, first: Callable[[], Awaitable[Any]] = nothing) -> None:
        self.first = first
        self.begun = self.ended = False

    async def chunks(self) -> AsyncGenerator[bytes]:
        self.begun = True
        try:
            await self.first()
            yield b"first"
            yield b"second"
        finally:
            self.ended = True
