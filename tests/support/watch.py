"""Watching what a test needs counted inside the running application."""

from threading import Event
from time import perf_counter
from typing import Any

import argon2
import pytest


class HashWatch:
    """Counts and times comparisons and dummy hashes, and can hold them up."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0
        self.most = 0
        self.seconds: list[float] = []
        self.gate = Event()
        self.gate.set()

    def around(self, work: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.started += 1
            self.running += 1
            self.most = max(self.most, self.running)
            if not self.gate.wait(5):  # nobody can open it: the event loop stands
                self.gate.set()
            begun = perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds.append(perf_counter() - begun)
                self.running -= 1

        return run


def watch_hashes(monkeypatch: pytest.MonkeyPatch) -> HashWatch:
    watch = HashWatch()
    for name in ("verify", "hash"):
        work = watch.around(getattr(argon2.PasswordHasher, name))
        monkeypatch.setattr(argon2.PasswordHasher, name, work)
    return watch
