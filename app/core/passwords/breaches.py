"""Asks a range service whether a password is known from a breach, by k-anonymity.

The range service gets the first five of the 40 hex digits of a SHA-1 hash. Thousands of
passwords share these five digits. The range service answers with the other digits of
each known hash. If it gives no useful answer in time, the password is accepted, because
an outage of the range service must not stop registrations.
"""

import asyncio
from hashlib import sha1

from httpx2 import AsyncClient, HTTPError, Limits

from app.core.errors import explain
from app.core.logging import get_logger
from app.core.metrics import breach_checks
from app.core.passwords.policy import WeakPassword

PREFIX = 5
MOST_BYTES = 512 * 1024  # several times the longest answer of haveibeenpwned.com
TIMEOUT_SECONDS = 1.0
# The padding hides from an observer how long the answer is. Compression is refused,
# because a small compressed answer could become very long.
HEADERS = {"Add-Padding": "true", "Accept-Encoding": "identity"}

log = get_logger(__name__)


class RangeUnusable(Exception):
    """The range service did not answer with a range of hashes."""


class Breaches:
    """The passwords that a range service knows."""

    def __init__(self, url: str) -> None:
        # The client keeps no idle connections, so nothing has to be closed at the end.
        self._client = AsyncClient(
            base_url=f"{url.rstrip('/')}/",
            headers=HEADERS,
            limits=Limits(max_keepalive_connections=0),
            timeout=None,
            trust_env=False,
        )

    async def check(self, password: str, pointer: str) -> None:
        """Raises `WeakPassword` if the password is known."""
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                found = await self._find(digest[:PREFIX], digest[PREFIX:])
        except (HTTPError, TimeoutError, RangeUnusable) as error:
            breach_checks.labels("unavailable").inc()
            log.warning("password.breaches_unavailable", **explain(error))
            return
        breach_checks.labels("breached" if found else "unknown").inc()
        if found:
            message = "This password is known from a data breach. Choose another one."
            raise WeakPassword(pointer, "password_breached", message)

    async def _find(self, prefix: str, rest: str) -> bool:
        async with self._client.stream("GET", prefix) as answer:
            if answer.status_code != 200:
                raise RangeUnusable(f"The status is {answer.status_code}.")
            body = b""
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise RangeUnusable(f"The answer exceeds {MOST_BYTES} bytes.")
        try:
            lines = [line.split(":") for line in body.decode().split()]
            return any(hash_ == rest and int(count) > 0 for hash_, count in lines)
        except ValueError:
            raise RangeUnusable("The answer is not a list of HASH:COUNT.") from None
