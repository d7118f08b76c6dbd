"""Asks a server the questions of many callers in one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from math import inf
from typing import Any, Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class RoundTrips(Generic[Question, Answer]):
    """Collects questions while a round trip is under way. The next trip takes them.

    A trip never answers a question that came after the trip began.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Awaitable[Iterable[Answer]]],
        *,
        most: int,
        patience: float = inf,
    ) -> None:
        """`ask` gets at most `most` questions, and returns the answers in their order.

        If a trip takes more than `patience` seconds, the next one does not wait for it.
        """
        self._ask = ask
        self._most = most
        self._patience = patience
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._aboard: dict[Any, list[asyncio.Future[Answer]]] = {}
        self._last_start = 0.0

    async def ask(self, question: Question) -> Answer:
        """Return the answer. If the trip fails, all its callers get the same error."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answer))
        if not self._aboard or self._last_start + self._patience < loop.time():
            self._depart(loop)
        try:
            return await answer
        except asyncio.CancelledError:
            self._end_deserted_trips()
            raise

    async def lead(self, asked: Awaitable[Answer]) -> Answer:
        """Wait for `asked`, a trip that this caller makes alone.

        This costs less than `ask`. Meanwhile callers of `ask` wait for the next trip.
        """
        trip = object()
        self._last_start = asyncio.get_running_loop().time()
        self._aboard[trip] = []
        try:
            return await asked
        finally:
            self._arrive(trip)

    def _depart(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last_start = loop.time()
        # Travel in an empty context, because the trips serve many requests.
        self._aboard[loop.create_task(self._travel(), context=Context())] = []

    async def _travel(self) -> None:
        trip, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert trip is not None  # noqa: S101
        try:
            while self._waiting:
                await asyncio.sleep(0)  # so that other ready callers join this trip
                boarding = self._waiting[: self._most]
                del self._waiting[: self._most]
                boarding = [each for each in boarding if not each[1].done()]
                if boarding:
                    self._last_start = loop.time()
                    self._aboard[trip] = [answer for _, answer in boarding]
                    await self._make(boarding)
        finally:  # not in a callback, because `ask` can run before a callback does
            self._arrive(trip)

    def _arrive(self, trip: object) -> None:
        del self._aboard[trip]
        if self._waiting and not self._aboard:
            self._depart(asyncio.get_running_loop())

    async def _make(
        self, boarding: Sequence[tuple[Question, asyncio.Future[Answer]]]
    ) -> None:
        try:
            answers = await self._ask([question for question, _ in boarding])
        except Exception as error:
            for _, answer in boarding:
                if not answer.done():  # otherwise its caller has left
                    answer.set_exception(error)
        else:
            for (_, answer), result in zip(boarding, answers, strict=True):
                if not answer.done():
                    answer.set_result(result)

    def _end_deserted_trips(self) -> None:
        """End each trip whose callers have all given up: its server may be hanging."""
        for trip, aboard in self._aboard.items():
            if aboard and all(answer.done() for answer in aboard):
                self._aboard[trip] = []
                trip.cancel()
