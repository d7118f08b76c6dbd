"""Password hashing: argon2id on a few threads, with a bounded queue."""

import asyncio
import os
import re
import secrets
import sys
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import BoundedSemaphore
from typing import NamedTuple, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import HasherNotAvailable, UnknownHashError
from pwdlib.hashers import HasherProtocol
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.errors import Overloaded
from app.core.metrics import hashes

MAX_LENGTH = 128  # code points: at most 512 bytes of UTF-8

UNSUPPORTED = re.compile("[\0\ud800-\udfff]")  # NUL and lone surrogates

# Normalising composes at most four code points into one, so a text longer than this
# stays too long. Refuse it without normalising it: combining marks take quadratic time.
_MAX_TYPED_LENGTH = 4 * MAX_LENGTH

# (KiB of memory, passes), all equally strong (OWASP Password Storage Cheat Sheet).
_OWASP_MINIMA = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))

MEMORY_KIB = 19_456  # of each hash that is being computed

UNUSABLE = "!"  # the first character of a hash that no password matches

T = TypeVar("T")


class HashQueueFull(Overloaded):
    """Too many passwords are being checked. `Retry-After` says how long to wait."""


class Verification(NamedTuple):
    """Whether the password is right, and a new hash if the stored one is outdated."""

    ok: bool
    upgraded_hash: str | None = None


class PasswordHasher:
    """Hashes passwords on threads: `slots` at a time, and at most `queue` waiting.

    Hashing needs at most `slots` times `memory_kib` of memory. When the queue is full,
    the methods raise `HashQueueFull` before they do any work. On Linux `nice` gives the
    threads a lower priority than the event loop, so that other requests stay fast.
    """

    def __init__(
        self,
        slots: int,
        queue: int,
        *,
        nice: int = 17,
        memory_kib: int = MEMORY_KIB,
        passes: int = 2,
        parallelism: int = 1,
    ) -> None:
        if not any(memory_kib >= m and passes >= p for m, p in _OWASP_MINIMA):
            raise ValueError(
                "The argon2 parameters are weaker than the minimum of OWASP."
            )
        argon2 = Argon2Hasher(passes, memory_kib, parallelism)
        self._hashes = PasswordHash((argon2, *_superseded_hashers()))
        self._room = BoundedSemaphore(slots + queue)
        self._threads = ThreadPoolExecutor(
            slots, "password-hash", initializer=_give_way, initargs=(nice,)
        )

    async def hash(self, password: str) -> str:
        """Hash a password that the policy has accepted."""
        normalised = normalise(password)
        if normalised is None:
            raise ValueError("The password is too long or has bad characters.")
        return await self._run(partial(self._hashes.hash, normalised))

    async def verify(self, password: str, password_hash: str | None) -> Verification:
        """Compare a password with a hash.

        Pass `password_hash=None` for an unknown account. The answer then takes as long
        as for a known account, so that timing does not reveal whether the account
        exists.
        """
        return await self._run(partial(self._verify, password, password_hash))

    def close(self) -> None:
        """Stop the threads and drop the waiting passwords."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def queued(self) -> int:
        return self._threads._work_queue.qsize()

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._room.acquire(blocking=False):
            raise HashQueueFull
        future = self._threads.submit(timed, work)
        # A running hash keeps its slot until it ends, even when the caller has left.
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def _verify(self, password: str, password_hash: str | None) -> Verification:
        normalised = normalise(password)
        if normalised is not None and password_hash is not None:
            # bcrypt raises ValueError for more than 72 bytes.
            with suppress(UnknownHashError, ValueError):
                return Verification(
                    *self._hashes.verify_and_update(normalised, password_hash)
                )
        # Do the same work as for a wrong password, so that both take the same time.
        self._hashes.hash(normalised or "")
        return Verification(ok=False)


def unusable_hash() -> str:
    """Return a value that no password matches, for an account without a password.

    The value is random, because links and device tokens depend on the stored hash.
    """
    return UNUSABLE + secrets.token_urlsafe(32)


def is_usable(password_hash: str) -> bool:
    """Whether the owner of the account has a password."""
    return not password_hash.startswith(UNUSABLE)


def timed(work: Callable[[], T]) -> T:
    with hashes.time():
        return work()


def normalise(password: str) -> str | None:
    """Return the form that is hashed (NIST SP 800-63B-4 §3.1.1.2).

    A keyboard can send an accented letter as one code point or as two. Both give the
    same form. The result is None if the password is too long or has characters that
    cannot be stored. A password is never shortened.
    """
    if len(password) > _MAX_TYPED_LENGTH:
        return None
    normalised = unicodedata.normalize("NFKC", password)
    if len(normalised) > MAX_LENGTH or UNSUPPORTED.search(normalised):
        return None
    return normalised


def _give_way(nice: int) -> None:
    """Lower the priority of this thread. Only Linux has a nice value for a thread."""
    if sys.platform == "linux":
        os.nice(nice)


def _superseded_hashers() -> tuple[HasherProtocol, ...]:
    """Accept bcrypt hashes if bcrypt is installed. A login replaces these."""
    try:
        from pwdlib.hashers.bcrypt import BcryptHasher
    except HasherNotAvailable:
        return ()
    return (BcryptHasher(),)
