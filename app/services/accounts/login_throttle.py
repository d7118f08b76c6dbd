"""Checks passwords, and limits how many wrong ones are checked."""

import asyncio
import hmac
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from app.core.client_address import limiter_partition
from app.core.email_address import canonical_email
from app.core.errors import Overloaded, TooManyRequests
from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit.policy import LARGEST_LIMIT, Decision, Hit, Policy, RateLimiter
from app.core.security import SecretRing
from app.services.accounts.in_flight import InFlight

T = TypeVar("T")


class TooManyFailures(TooManyRequests):
    """The caller sent too many requests. `Retry-After` says how long to wait."""

    keeps_changes = True  # commit the audit event, although the request is refused

    def __init__(self, retry_after: float | None) -> None:
        # All limits use the same text, so that it does not show which counter is full.
        super().__init__(retry_after, ["login"])


class LoginThrottle:
    """Stops an attacker who guesses passwords, without locking the owner out.

    A failure is counted before the password is checked, so that parallel guesses cannot
    exceed the limit. The throttle removes this failure again if the password was right
    or was never checked, even when the client disconnects. All unknown devices share
    one counter per account. A device that has logged in before has a counter of its
    own, which an attacker cannot fill, not even from the same address.
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
        self.by_devices_a_day = policies["login-failures-devices-day"]
        self.confirmations = policies["password-confirmations"]
        self.throttled = policies["login-throttled-event"]
        self.comparing = InFlight()
        self._unfinished: set[asyncio.Task[Any]] = set()

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
            TooManyFailures: A counter is full. The password was not checked.
        """
        who = self.pseudonym(email)
        if device_id is None:
            return await self._check(
                password,
                password_hash,
                Hit(self.by_address, limiter_partition(address)),
                Hit(self.by_strangers, who),
                Hit(self.by_strangers_a_day, who),
            )
        return await self._check_device(
            password, password_hash, f"{who}:{device_id.hex()}", who
        )

    async def check_again(
        self,
        password: str,
        password_hash: str | None,
        *,
        session_id: UUID,
        email: str,
    ) -> Verification:
        """Check the password of a caller who is logged in.

        Each session has its own counter, like each device at a login. A second limit
        also counts right passwords, because checking one costs a hash.

        Raises:
            TooManyFailures: A counter is full. The password was not checked.
        """
        who = self.pseudonym(email)
        confirmation = await self.limiter.hit(Hit(self.confirmations, who))
        if not confirmation.allowed:
            raise TooManyFailures(confirmation.retry_after)
        return await self._check_device(
            password, password_hash, f"session:{session_id}", who
        )

    def pseudonym(self, email: str) -> str:
        """Return a keyed hash of the e-mail address, for the audit trail and counters.

        The audit trail and the counters must not contain the typed text, because users
        sometimes type their password into the field of the address.
        """
        encoded = canonical_email(email).encode("utf-8", "surrogatepass")
        return hmac.digest(self.pepper, encoded, "sha256")[:16].hex()

    async def worth_recording(self, address: str) -> bool:
        """Say whether to record a refusal: at most one a minute for each address.

        Otherwise a flood of requests could fill the disk.
        """
        hit = Hit(self.throttled, limiter_partition(address))
        return (await self.limiter.hit(hit)).allowed

    async def _check_device(
        self, password: str, password_hash: str | None, device: str, who: str
    ) -> Verification:
        # An account can have many devices, so they share a limit for the day.
        return await self._check(
            password,
            password_hash,
            Hit(self.by_device, device),
            Hit(self.by_devices_a_day, who),
        )

    async def _check(
        self, password: str, password_hash: str | None, *hits: Hit
    ) -> Verification:
        reserved = await self._reserve(hits)
        self.comparing.begin([hit.key for hit in hits])
        wrong = False
        try:
            verified = await self.hasher.verify(password, password_hash)
            wrong = not verified.ok
            return verified
        finally:
            await asyncio.shield(self._start(self._settle(hits, reserved, wrong=wrong)))

    async def _settle(
        self, hits: Sequence[Hit], reserved: Decision, wrong: bool
    ) -> None:
        try:
            if wrong:
                await self.limiter.hit(*map(_seen, hits))
            else:
                await self.limiter.refund(reserved)
        finally:
            self.comparing.end([hit.key for hit in hits], gave_back=not wrong)

    async def _reserve(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure before it is known whether the password is right.

        If pending attempts fill the counter, wait until they end: many people may log
        in at once, from one office, with the right password.
        """
        while not (reserved := await self._count(hits)).allowed:
            full = [hit.key for hit in hits if hit.policy.name in reserved.violated]
            if not await self.comparing.wait(full):
                if await self._seen_to_be_full(hits, reserved):
                    raise TooManyFailures(reserved.retry_after)
                # Attempts that run in another process may still free the counter.
                raise Overloaded
        return reserved

    async def _count(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure, and remove it again if the client leaves meanwhile."""
        counting = self._start(self.limiter.hit(*hits))
        try:
            return await asyncio.shield(counting)
        except asyncio.CancelledError:
            self._start(self._give_back(counting))
            raise

    async def _give_back(self, counting: asyncio.Task[Decision]) -> None:
        await self.limiter.refund(await counting)

    async def _seen_to_be_full(self, hits: Sequence[Hit], refused: Decision) -> bool:
        """Say whether wrong passwords alone fill a counter.

        The second counter (`_seen`) counts only passwords that were found to be wrong,
        in all processes together.
        """
        full = [
            (hit, quota.policy.limit)
            for hit, quota in zip(hits, refused.quotas, strict=True)
            if hit.policy.name in refused.violated
        ]
        seen = await self.limiter.hit(*(_seen(hit, cost=0) for hit, _ in full))
        return any(
            quota.policy.limit - quota.remaining >= limit
            for quota, (_, limit) in zip(seen.quotas, full, strict=True)
        )

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that continues when the client leaves."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._unfinished.discard)
        return task

    async def forgive(self, email: str) -> None:
        """Reset the counters of an account, except those of single devices.

        These are the two counters of unknown devices, and the daily counter that all
        known devices share.
        """
        who = self.pseudonym(email)
        for policy in (
            self.by_strangers,
            self.by_strangers_a_day,
            self.by_devices_a_day,
        ):
            await self.limiter.reset(policy, who)
            await self.limiter.reset(_seen(Hit(policy, who)).policy, who)


def _seen(hit: Hit, cost: int = 1) -> Hit:
    """Make a hit for a second counter, which counts only passwords found to be wrong.

    The first counter also contains the attempts that are still running, so it can be
    higher.
    """
    policy = replace(hit.policy, name=f"{hit.policy.name}-seen", limit=LARGEST_LIMIT)
    return Hit(policy, hit.partition, cost)
