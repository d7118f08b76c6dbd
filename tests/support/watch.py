"""Counts hashes and statements inside the running application."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any
from unittest.mock import patch

import argon2
import pytest
from sqlalchemy import Engine, event

from app.db.direct import Direct


class HashWatch:
    """Counts comparisons and dummy hashes, and can hold them back."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0
        self.most = 0
        self.gate = Event()
        self.gate.set()

    def around(self, work: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.started += 1
            self.running += 1
            self.most = max(self.most, self.running)
            if current_thread() is not main_thread():  # only the test runs in it
                assert self.gate.wait(60)
            try:
                return work(*args, **kwargs)
            finally:
                self.running -= 1

        return run


def watch_hashes(monkeypatch: pytest.MonkeyPatch) -> HashWatch:
    watch = HashWatch()
    for name in ("verify", "hash"):
        work = watch.around(getattr(argon2.PasswordHasher, name))
        monkeypatch.setattr(argon2.PasswordHasher, name, work)
    return watch


@contextmanager
def watch_statements() -> Iterator[list[str]]:
    """List the statements that are sent in the block, without their values."""
    statements: list[str] = []
    with each_statement(lambda statement, _: statements.append(statement)):
        yield statements


@contextmanager
def each_statement(call: Callable[[str, Any], object]) -> Iterator[None]:
    """Call a function with each statement and its values, whoever runs it."""

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        call(statement, values)

    fetch, within = Direct._fetch, Direct.within

    async def noted(self: Any, sql: str, values: Any, record: Any) -> Any:
        call(sql, tuple(values))
        return await fetch(self, sql, values, record)

    async def noted_within(
        self: Any, connection: Any, statement: Any, *values: Any
    ) -> Any:
        prepared = self._prepared(statement, tuple(values[0]))
        call(prepared.sql, [*map(prepared.arguments, values)])
        return await within(self, connection, statement, *values)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with (
            patch.object(Direct, "_fetch", noted),
            patch.object(Direct, "within", noted_within),
        ):
            yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)
