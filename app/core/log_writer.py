"""Writes log lines in a thread, so that a stalled reader blocks no request."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread

MOST_WAITING = 4096  # lines
DRAINED_WITHIN_SECONDS = 2.0


class LogWriter:
    """A file object whose lines wait in a bounded queue until stdout takes them.

    A line that does not fit is dropped and counted. `dropped_line` returns the line
    that reports the count; it follows the next line that stdout takes.
    """

    def __init__(self, dropped_line: Callable[[int], bytes]) -> None:
        self._dropped_line = dropped_line
        self._counting = Lock()
        self._thread: Thread | None = None
        self._begin()
        # A fork copies neither the thread nor, for sure, an unlocked queue.
        os.register_at_fork(after_in_child=self._begin_again)

    def start(self) -> None:
        """Start the thread, once. No signal interrupts it, or it would hide them."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def write(self, line: bytes | str) -> None:
        if self._lines.qsize() < MOST_WAITING:
            self._lines.put(line)
        else:
            with self._counting:
                self._dropped += 1

    def flush(self) -> None:
        """Do not wait: both loggers call this after each line."""

    def drain(self, seconds: float = DRAINED_WITHIN_SECONDS) -> None:
        """Wait until stdout has taken the lines of this moment, but not for ever."""
        if self._thread is not None:
            drained = Event()
            self._lines.put(drained)
            drained.wait(seconds)

    def _begin(self) -> None:
        self._lines: SimpleQueue[bytes | str | Event] = SimpleQueue()
        self._dropped = 0

    def _begin_again(self) -> None:
        self._begin()
        self._counting = Lock()
        if self._thread is not None:
            self._thread = None
            self.start()

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, Event):
                line.set()
                continue
            _write(line if isinstance(line, bytes) else line.encode(errors="replace"))
            if self._dropped:
                with self._counting:
                    dropped, self._dropped = self._dropped, 0
                _write(self._dropped_line(dropped))


def _write(line: bytes) -> None:
    """Lose the line if the disk is full or stdout is closed.

    It bypasses `sys.stdout.buffer`: Python aborts at exit if a thread still writes
    through that.
    """
    with suppress(OSError, ValueError, AttributeError):
        file = sys.stdout.fileno()
        while line:
            line = line[os.write(file, line) :]
