"""Writes log lines in a thread, so that a slow reader of stdout blocks no request."""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from select import PIPE_BUF
from threading import Event, Lock, Thread

MOST_WAITING = 4096  # lines
# The thread waits for more lines. If it woke for each line, it would each time take the
# interpreter from the requests.
GATHERED_FOR_SECONDS = 0.005
DRAINED_WITHIN_SECONDS = 2.0


class LogWriter:
    """A file object whose lines wait in a bounded queue until stdout takes them.

    A line that does not fit into the queue is dropped and counted. `dropped_line` makes
    a line that reports the count. The writer adds it after the next lines that stdout
    takes.
    """

    def __init__(self, dropped_line: Callable[[int], bytes]) -> None:
        self._dropped_line = dropped_line
        self._thread: Thread | None = None
        self._begin()
        # A fork does not copy the thread, and can copy a lock that the thread holds.
        os.register_at_fork(after_in_child=self._begin_again)

    def start(self) -> None:
        """Start the thread, unless it runs. All signals go to the main thread."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def write(self, line: bytes | str) -> None:
        if len(self._lines) < MOST_WAITING:
            self._lines.append(line)
            if not self._ready.is_set():
                self._ready.set()
        else:
            with self._counting:
                self._dropped += 1
                self.dropped_in_total += 1

    def flush(self) -> None:
        """Do not wait: both loggers call this after each line."""

    def drain(self, seconds: float = DRAINED_WITHIN_SECONDS) -> None:
        """Wait until stdout has taken all lines so far, but at most `seconds`."""
        if self._thread is not None:
            drained = Event()
            self._lines.append(drained)
            self._ready.set()
            drained.wait(seconds)

    def _begin(self) -> None:
        self._lines: deque[bytes | str | Event] = deque()
        self._ready = Event()
        self._counting = Lock()
        self._dropped = self.dropped_in_total = 0

    def _begin_again(self) -> None:
        self._begin()
        if self._thread is not None:
            self._thread = None
            self.start()

    def _run(self) -> None:
        while True:
            self._ready.wait()
            time.sleep(GATHERED_FOR_SECONDS)
            self._ready.clear()
            while self._lines:
                self._write_some()

    def _write_some(self) -> None:
        """Write at most `PIPE_BUF` bytes, or one line that is longer.

        A pipe takes up to `PIPE_BUF` bytes as a whole, so that lines of other workers
        do not mix in.
        """
        text = b""
        while self._lines:
            line = self._lines[0]
            if isinstance(line, Event):
                if not text:
                    self._lines.popleft()
                    line.set()
                break
            line = line if isinstance(line, bytes) else line.encode(errors="replace")
            if text and len(text) + len(line) > PIPE_BUF:
                break
            text += line
            self._lines.popleft()
        _write(text)
        if text and self._dropped:
            with self._counting:
                dropped, self._dropped = self._dropped, 0
            _write(self._dropped_line(dropped))


def _write(line: bytes) -> None:
    """Write a line, or lose it if the disk is full or stdout is closed.

    Do not use `sys.stdout.buffer`: Python aborts at its exit if a thread is still
    writing to it.
    """
    with suppress(OSError, ValueError, AttributeError):
        file = sys.stdout.fileno()
        while line:
            line = line[os.write(file, line) :]
