"""Limits on how often mail can be requested."""

from datetime import timedelta

from app.core.errors import TooManyRequests
from app.core.rate_limit import Hit, Policy, RateLimiter

HOUR = timedelta(hours=1)
PER_CLIENT = Policy("mail_client", 10, HOUR)
FORGOT = Policy("mail_forgot", 3, HOUR)
RESEND = Policy("mail_resend", 3, 6 * HOUR)
CHANGE_EMAIL = Policy("email_change", 5, HOUR)


class MailQuota:
    """Counts mails per account.

    Unknown accounts are counted, too, so that an answer does not reveal whether an
    account exists.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter

    async def take(self, policy: Policy, partition: str) -> None:
        """Count a mail; raises `TooManyRequests` if the limit is reached."""
        decision = await self.limiter.hit(Hit(policy, partition))
        if not decision.allowed:
            raise TooManyRequests(decision.retry_after, decision.violated)
