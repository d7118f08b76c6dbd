"""Limits on how often mail can be requested."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import TooManyRequests
from app.core.rate_limit.policy import Hit, Policy, RateLimiter


@dataclass(frozen=True, slots=True)
class MailQuota:
    """Counts mails per account.

    Unknown accounts are counted, too, so that an answer does not reveal whether an
    account exists.
    """

    limiter: RateLimiter
    policies: Mapping[str, Policy]

    async def take(self, policy: str, partition: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: The account has used up this limit.
        """
        decision = await self.limiter.hit(Hit(self.policies[policy], partition))
        if not decision.allowed:
            raise TooManyRequests(decision.retry_after, decision.violated)
