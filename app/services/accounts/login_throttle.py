"""Checks passwords, and limits how many wrong ones are checked."""

import hmac
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.core.client_address import limiter_partition
from app.core.email_address import canonical_email
from app.core.errors import Overloaded, TooManyRequests
from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit.policy import Decision, Hit, Policy, RateLimiter
from app.core.security import SecretRing
from app.services.accounts.in_flight import InFlight


class TooManyFailures(TooManyRequests):
    """The caller sent too many requests. `Retry-After` says how long to wait."""

    keeps_changes = True  # the audit event

    def __init__(self, retry_after: float | None) -> None:
        # Other limits have the same text, so that it reveals no counter that is full.
        super().__init__(retry_after, ["login"])


class LoginThrottle:
    """Stops an attacker who guesses passwords, without locking the owner out.

    A failure is counted before the password is checked and given back if the password
    was right, so that parallel guesses cannot exceed the limit. All unknown devices
    share one counter per account. A device that has logged in before has a counter of
    its own, which an attacker cannot fill.
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
        """Check the password of a login.

        Pass `password_hash=None` for an unknown account: a dummy hash keeps the timing
        equal.

        Raises:
            TooManyFailures: the password has not been checked.
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
        """Check the password of a caller who is logged in; the session is the device.

        Raises:
            TooManyFailures: the password has not been checked.
        """
        counter = Hit(self.by_device, f"session:{session_id}")
        return await self._check(password, password_hash, address, [counter])

    def pseudonym(self, email: str) -> str:
        """Replaces an address in logs, because users type passwords into its field."""
        encoded = canonical_email(email).encode("utf-8", "surrogatepass")
        return hmac.digest(self.pepper, encoded, "sha256")[:16].hex()

    async def worth_recording(self, address: str) -> bool:
        """Say whether to record a refusal: one a minute, so a flood fills no disk."""
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
            wrong = False  # the password has not been checked
            raise
        finally:
            try:
                if not wrong:
                    await self.limiter.refund(reserved)
            finally:  # the client may leave during the refund
                self.comparing.end(keys, gave_back=not wrong)

    async def _reserve(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure before it is known whether the password is right.

        If pending attempts fill the counter, wait until they end: many people may log
        in at once, from one office, with the right password.
        """
        while not (reserved := await self.limiter.hit(*hits)).allowed:
            full = [hit.key for hit in hits if hit.policy.name in reserved.violated]
            if not await self.comparing.wait(full):
                raise TooManyFailures(reserved.retry_after)
        return reserved

    async def forgive(self, email: str) -> None:
        """Reset the failures of unknown devices at an account."""
        for policy in (self.by_strangers, self.by_strangers_a_day):
            await self.limiter.reset(policy, self.pseudonym(email))
