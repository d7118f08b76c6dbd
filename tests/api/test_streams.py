"""Streamed answers, which wait for slow clients."""

from asyncio import Event, Semaphore, create_task
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.api.streams import HEADERS_ONLY, StreamedResponse
from tests.api.middleware.exchange import ask, http_scope
from tests.support.download import Download
from tests.support.people import Client

EXPORT = "/notes/export"


class TestSlowClient:
    @pytest.mark.parametrize("overrides", [{"db_pool_size": 2}])
    async def test_holds_a_slot_until_it_has_read_everything(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutants: no slots; release a slot before the end."""
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
        response = StreamedResponse(content.chunks(), slots, patience=patience)

        async def send(message: Message) -> None:
            if message.get("body") == b"second":
                await Event().wait()

        with pytest.raises(ClientDisconnect):
            await response.stream_response(send)

        assert content.ended
        assert not slots.locked()


class TestClientThatDisconnects:
    async def test_ends_the_generator(self) -> None:
        """Mutant: leave the generator to the garbage collector."""
        content, slots = Content(), Semaphore(1)
        response = StreamedResponse(content.chunks(), slots)

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
        response = StreamedResponse(content.chunks(), Semaphore(1))

        answer = await ask(response, {**http_scope(), HEADERS_ONLY: True})

        assert (answer.status, answer.body) == (200, b"")
        assert not content.begun


class Content:
    def __init__(self) -> None:
        self.begun = self.ended = False

    async def chunks(self) -> AsyncGenerator[bytes]:
        self.begun = True
        try:
            yield b"first"
            yield b"second"
        finally:
            self.ended = True
