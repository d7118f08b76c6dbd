"""Comparing passwords, for a bounded number of wrong guesses."""

import hmac
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.core.client_address import limiter_partition
from app.core.email_address import canonical_email
from app.core.errors import Overloaded, TooManyRequests
from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit import Decision, Hit, Policy, RateLimiter
from app.core.security import SecretRing
from app.services.accounts.in_flight import InFlight


class TooManyFailures(TooManyRequests):
    """Too many requests; `Retry-After` says how long to wait."""

    keeps_changes = True  # the audit event

    def __init__(self, retry_after: float | None) -> None:
        # The words of every other limit: they do not tell which counter is full.
        super().__init__(retry_after, ["login"])


class PasswordGuard:
    """Stops whoever guesses passwords, without locking their owner out.

    A failure is counted before the password is compared and given back when it was
    right, so that of parallel guesses no more than the limit are compared. Strangers
    share a counter for each account; a device that is known there has its own, which
    they cannot fill.
    """

    def __init__(
        self,
        hasher: PasswordHasher,
        limiter: RateLimiter,
        policies: Mapping[str, Policy],
        ring: SecretRing,
    ) -> None:
        self.hasher = hasher
        self.limiter = limiter
        self.pepper = ring.derive("log-pseudonym-v1")
        self.by_address = policies["login-failures-address"]
        self.by_strangers = policies["login-failures-account"]
        self.by_strangers_a_day = policies["login-failures-account-day"]
        self.by_device = policies["login-failures-device"]
        self.throttled = policies["login-throttled-event"]
        self.comparing = InFlight()

    async def check_login(
        self,
        password: str,
        password_hash: str | None,
        *,
        email: str,
        address: str,
        device_id: bytes | None,
    ) -> Verification:
        """Compare the password of a login; None is the hash of whoever has no account.

        Raises:
            TooManyFailures: nothing has been compared.
        """
        who = self.pseudonym(email)
        if device_id is None:
            counters = [Hit(self.by_strangers, who), Hit(self.by_strangers_a_day, who)]
        else:
            counters = [Hit(self.by_device, f"{who}:{device_id.hex()}")]
        return await self._check(password, password_hash, address, counters)

    async def check_again(
        self,
        password: str,
        password_hash: str | None,
        *,
        session_id: UUID,
        address: str,
    ) -> Verification:
        """Compare the password of somebody logged in, whose session is the device.

        Raises:
            TooManyFailures: nothing has been compared.
        """
        counter = Hit(self.by_device, f"session:{session_id}")
        return await self._check(password, password_hash, address, [counter])

    def pseudonym(self, email: str) -> str:
        """Stands for an address where what was typed, maybe a password, must not."""
        encoded = canonical_email(email).encode("utf-8", "surrogatepass")
        return hmac.digest(self.pepper, encoded, "sha256")[:16].hex()

    async def worth_recording(self, address: str) -> bool:
        """Whether a refusal is the first in a while: a flood must not fill the disk."""
        hit = Hit(self.throttled, limiter_partition(address))
        return (await self.limiter.hit(hit)).allowed

    async def _check(
        self,
        password: str,
        password_hash: str | None,
        address: str,
        counters: Sequence[Hit],
    ) -> Verification:
        hits = (Hit(self.by_address, limiter_partition(address)), *counters)
        reserved = await self._reserve(hits)
        keys = [hit.key for hit in hits]
        self.comparing.begin(keys)
        wrong = True
        try:
            verified = await self.hasher.verify(password, password_hash)
            wrong = not verified.ok
            return verified
        except Overloaded:
            wrong = False  # nothing has been compared
            raise
        finally:
            try:
                if not wrong:
                    await self.limiter.refund(reserved)
            finally:  # whoever leaves during the refund is done, too
                self.comparing.end(keys, gave_back=not wrong)

    async def _reserve(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure, though the password may be right.

        Where others being compared have filled the counter, wait for what they give
        back: many may log in at once, from one office, with the right password.
        """
        while not (reserved := await self.limiter.hit(*hits)).allowed:
            full = [hit.key for hit in hits if hit.policy.name in reserved.violated]
            if not await self.comparing.wait(full):
                raise TooManyFailures(reserved.retry_after)
        return reserved

    async def forgive(self, email: str) -> None:
        """Forget what strangers guessed wrong about an account."""
        for policy in (self.by_strangers, self.by_strangers_a_day):
            await self.limiter.reset(policy, self.pseudonym(email))
