"""Password hashes: argon2id on a few threads of its own, with a bounded queue."""

import asyncio
import re
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

MAX_LENGTH = 128  # code points, hence at most 512 bytes of UTF-8

UNSUPPORTED = re.compile("[\0\ud800-\udfff]")  # NUL and lone surrogates

# NFC composes at most four code points into one: a longer text stays too long.
# Normalising it all the same would take quadratic time for combining marks.
_MAX_TYPED_LENGTH = 4 * MAX_LENGTH

# KiB of memory and passes of equal strength (OWASP Password Storage Cheat Sheet).
_OWASP_MINIMA = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))

T = TypeVar("T")


class HashQueueFull(Overloaded):
    """Too many passwords are being checked; try again shortly."""


class Verification(NamedTuple):
    """Whether the password fits, and what to store if its hash is out of date."""

    ok: bool
    upgraded_hash: str | None = None


class PasswordHasher:
    """Hashes off the event loop: `slots` at a time, `queue` waiting, no more.

    Memory is bounded by `slots` times `memory_kib`, and a flood of logins is refused
    before it costs anything.
    """

    def __init__(
        self,
        slots: int,
        queue: int,
        *,
        memory_kib: int = 19_456,
        passes: int = 2,
        parallelism: int = 1,
    ) -> None:
        if not any(memory_kib >= m and passes >= p for m, p in _OWASP_MINIMA):
            raise ValueError("The argon2 parameters are weaker than OWASP's minima.")
        argon2 = Argon2Hasher(passes, memory_kib, parallelism)
        self._hashes = PasswordHash((argon2, *_superseded_hashers()))
        self._room = BoundedSemaphore(slots + queue)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="password-hash")

    async def hash(self, password: str) -> str:
        """Hash a password that the policy has accepted.

        Raises:
            HashQueueFull: nothing has been hashed.
        """
        normalised = normalise(password)
        if normalised is None:
            raise ValueError("No account can have this password.")
        return await self._run(partial(self._hashes.hash, normalised))

    async def verify(self, password: str, password_hash: str | None) -> Verification:
        """Compare; None is the hash of nobody, and takes as long as any other.

        Raises:
            HashQueueFull: nothing has been hashed.
        """
        return await self._run(partial(self._verify, password, password_hash))

    def close(self) -> None:
        """Forget what still waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._room.acquire(blocking=False):
            raise HashQueueFull
        future = self._threads.submit(work)
        # Not when the caller leaves: a hash that runs keeps its slot to the end.
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def _verify(self, password: str, password_hash: str | None) -> Verification:
        normalised = normalise(password)
        if normalised is not None and password_hash is not None:
            # ValueError: bcrypt refuses more than 72 bytes.
            with suppress(UnknownHashError, ValueError):
                return Verification(
                    *self._hashes.verify_and_update(normalised, password_hash)
                )
        # The same work as for a wrong password, so that time tells nothing apart.
        self._hashes.hash(normalised or "")
        return Verification(ok=False)


def normalise(password: str) -> str | None:
    """The form that is hashed (NIST SP 800-63B-4 §3.1.1.2), None if there is none.

    However an accent is typed, composed or not, the password is the same. One that
    is too long is never shortened.
    """
    if len(password) > _MAX_TYPED_LENGTH:
        return None
    normalised = unicodedata.normalize("NFKC", password)
    if len(normalised) > MAX_LENGTH or UNSUPPORTED.search(normalised):
        return None
    return normalised


def _superseded_hashers() -> tuple[HasherProtocol, ...]:
    """Bcrypt where it is installed: its hashes are accepted once, then upgraded."""
    try:
        from pwdlib.hashers.bcrypt import BcryptHasher
    except HasherNotAvailable:
        return ()
    return (BcryptHasher(),)
