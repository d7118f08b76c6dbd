"""The second factors of an account: adding, removing and checking them.

`users.second_factors` has the names of the factors. Each factor stores its own secrets.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.client_address import limiter_partition
from app.core.rate_limit.policy import Hit, Policy, RateLimiter
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.services.accounts.assurance import SecondFactor, assurance
from app.services.accounts.guesses import Guesses
from app.services.accounts.principal import Principal

Checked = TypeVar("Checked")


class FactorThrottle:
    """Limits wrong answers, without locking the owner out.

    All unknown devices share the counters of the account. Each device that has logged
    in before has a counter of its own, which an attacker cannot fill. If an answer
    cannot be guessed, as with a signature, only the client address is counted.
    """

    def __init__(self, limiter: RateLimiter, policies: Mapping[str, Policy]) -> None:
        self.guesses = Guesses(limiter, "mfa")
        self.policies = policies

    async def check(
        self,
        compare: Callable[[], Awaitable[Checked]],
        factor: SecondFactor,
        user_id: UUID,
        *,
        address: str,
        device: str | None,
    ) -> Checked:
        """Return the result of `compare`. Count a failure if it is None.

        Raises:
            TooManyFailures: A counter is full. The answer was not checked.
        """
        network, account = limiter_partition(address), str(user_id)
        counted = {"address": network, "address-hour": network}
        if factor.guessable and device is not None:
            counted = {"device": f"{account}:{device}", "devices-day": account}
        elif factor.guessable:
            counters = ("account", "account-hour", "account-day")
            counted |= dict.fromkeys(counters, account)
        hits = [
            Hit(self.policies[f"mfa-failures-{name}"], partition)
            for name, partition in counted.items()
        ]
        return await self.guesses.check(hits, compare)


@dataclass(frozen=True, slots=True)
class SecondFactors:
    session: AsyncSession
    factors: Sequence[SecondFactor]
    throttle: FactorThrottle

    def of(self, user: Row[Any] | User) -> list[str]:
        """Return the names of the factors that the user can give.

        Backups count only if the user has enrolled another factor.
        """
        enrolled = user.second_factors.split()
        own = [each.name for each in self.factors if each.name in enrolled]
        backups = [each.name for each in self.factors if each.is_backup]
        return own and own + backups

    def by_field(self, field: str) -> SecondFactor:
        [found] = [each for each in self.factors if each.field == field]
        return found

    async def prove(
        self, factor: SecondFactor, user: Row[Any], answer: Any, holder: bytes
    ) -> Row[Any] | None:
        """Return `user` if the user has the factor and the answer is right."""
        has_it = factor.name in self.of(user)
        return user if has_it and await factor.check(user, answer, holder) else None

    async def add(self, caller: Principal, factor: SecondFactor) -> None:
        """Add a factor.

        The session then counts as one in which the caller has given this factor.
        """
        await self._change(caller.user_id, lambda names: names | {factor.name})
        methods = dict.fromkeys((*caller.user.amr.split(), *factor.methods))
        changed = {
            "amr": " ".join(methods),
            "acr": assurance(methods),
            "second_factor_at": utc_now(),
        }
        await self.session.execute(
            update(AuthSession)
            .where(AuthSession.id == caller.session_id)
            .values(changed)
        )

    async def remove(self, user_id: UUID, name: str) -> None:
        """Remove a factor. If no other is left, remove the backups, too."""
        await self._change(user_id, lambda names: names - {name})

    async def remove_all(self, user_id: UUID) -> None:
        await self._change(user_id, lambda names: set())

    async def _change(
        self, user_id: UUID, change: Callable[[set[str]], set[str]]
    ) -> None:
        user = await self.session.get_one(User, user_id, with_for_update=True)
        before = {*user.second_factors.split()}
        after = change(before)
        user.second_factors = " ".join(sorted(after))
        await self.session.flush()
        for factor in self.factors:
            is_gone = factor.name in before - after
            if is_gone or (factor.is_backup and not self.of(user)):
                await factor.forget(user_id)
