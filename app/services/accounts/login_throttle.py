"""Checks passwords, and limits the number of wrong ones."""

import hmac
from collections.abc import Mapping
from functools import partial
from uuid import UUID

from app.core.client_address import limiter_partition
from app.core.email_address import canonical_email
from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit.policy import Hit, Policy, RateLimiter
from app.core.security import SecretRing
from app.services.accounts.guesses import Guesses, TooManyFailures, seen


class LoginThrottle:
    """Stops an attacker who guesses passwords, without locking the owner out.

    All unknown devices share one counter per account. A device that has logged in
    before has a counter of its own, which an attacker cannot fill, not even from the
    same IP address.
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
        self.guesses = Guesses(limiter, "login")

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

        Each session has its own counter, as each known device has at a login. A second
        limit also counts right passwords, because each check needs a slow hash.

        Raises:
            TooManyFailures: A counter is full. The password was not checked.
        """
        who = self.pseudonym(email)
        confirmation = await self.limiter.hit(Hit(self.confirmations, who))
        if not confirmation.allowed:
            raise TooManyFailures(confirmation.retry_after, "login")
        return await self._check_device(
            password, password_hash, f"session:{session_id}", who
        )

    def pseudonym(self, email: str) -> str:
        """Return a keyed hash of the e-mail address, for the audit trail and counters.

        The audit trail and the counters must not contain the typed text, because users
        sometimes type their password into the field of the e-mail address.
        """
        encoded = canonical_email(email).encode("utf-8", "surrogatepass")
        return hmac.digest(self.pepper, encoded, "sha256")[:16].hex()

    async def worth_recording(self, address: str) -> bool:
        """Say whether to record a refusal: at most one a minute for each IP address.

        Otherwise a flood of requests could fill the disk.
        """
        hit = Hit(self.throttled, limiter_partition(address))
        return (await self.limiter.hit(hit)).allowed

    async def _check_device(
        self, password: str, password_hash: str | None, device: str, who: str
    ) -> Verification:
        # An account can have many devices, so all of them share a limit for a day.
        return await self._check(
            password,
            password_hash,
            Hit(self.by_device, device),
            Hit(self.by_devices_a_day, who),
        )

    async def _check(
        self, password: str, password_hash: str | None, *hits: Hit
    ) -> Verification:
        compare = partial(self.hasher.verify, password, password_hash)
        return await self.guesses.check(hits, compare, lambda verified: verified.ok)

    async def forgive(self, email: str) -> None:
        """Reset the counters of an account. Counters of single devices stay."""
        who = self.pseudonym(email)
        for policy in (
            self.by_strangers,
            self.by_strangers_a_day,
            self.by_devices_a_day,
        ):
            await self.limiter.reset(policy, who)
            await self.limiter.reset(seen(Hit(policy, who)).policy, who)
