"""How often one may cause mail."""

from datetime import timedelta

from app.core.errors import TooManyRequests
from app.core.rate_limit import Hit, Policy, RateLimiter

HOUR = timedelta(hours=1)
PER_CLIENT = Policy("mail_client", 10, HOUR)
FORGOT = Policy("mail_forgot", 3, HOUR)
RESEND = Policy("mail_resend", 3, 6 * HOUR)
CHANGE_EMAIL = Policy("email_change", 5, HOUR)


class AccountQuota:
    """Counts by account, known or not, so that the answers tell nothing apart."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter

    async def take(self, policy: Policy, partition: str) -> None:
        """Raises `TooManyRequests` when the account has had enough."""
        decision = await self.limiter.hit(Hit(policy, partition))
        if not decision.allowed:
            raise TooManyRequests(decision.retry_after, decision.violated)
