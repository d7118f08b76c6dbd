"""Round trips to a server, each with the questions of many callers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class RoundTrips(Generic[Question, Answer]):
    """Collects questions while a round trip is under way; the next one takes them.

    `ask` gets at most `most` questions, in the order in which they came, and returns
    the answers in the same order.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Awaitable[Iterable[Answer]]],
        *,
        most: int,
    ) -> None:
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._aboard: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._trip: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """Raises what the trip raised: every caller aboard gets the error."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        self._depart()
        try:
            return await answer
        except asyncio.CancelledError:
            self._end_deserted_trip()
            raise

    def _depart(self) -> None:
        if self._trip is None and any(not answer.done() for _, answer in self._waiting):
            # In an empty context, because the trip serves many requests.
            self._trip = asyncio.create_task(self._travel(), context=Context())

    async def _travel(self) -> None:
        await asyncio.sleep(0)  # for the callers who are about to ask
        boarding, self._waiting = (
            self._waiting[: self._most],
            self._waiting[self._most :],
        )
        self._aboard = aboard = [each for each in boarding if not each[1].done()]
        try:
            answers = await self._ask([question for question, _ in aboard])
        except Exception as error:
            for _, answer in aboard:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), result in zip(aboard, answers, strict=True):
                if not answer.done():
                    answer.set_result(result)
        finally:
            self._aboard, self._trip = [], None
            self._depart()

    def _end_deserted_trip(self) -> None:
        """End a trip once all its callers have given up: the server may be hanging."""
        if self._trip and self._aboard and all(a.done() for _, a in self._aboard):
            self._aboard = []
            self._trip.cancel()
