"""Limits the mail that requests of strangers can cause."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.client_address import limiter_partition
from app.core.email_address import canonical_email
from app.core.logging import get_logger
from app.core.rate_limit.policy import Hit, Policy, RateLimiter

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailQuota:
    """Counts requests that send mail, per mailbox and per client address.

    Mailboxes without an account are counted, too. When a quota is used up, the service
    sends no mail but gives its usual answer, so the answer does not reveal an account.
    """

    limiter: RateLimiter
    policies: Mapping[str, Policy]

    async def take(self, mailbox: str, client_address: str) -> bool:
        """Count one request. Return False if the request must not send mail."""
        decision = await self.limiter.hit(
            Hit(self.policies["mail-mailbox"], canonical_email(mailbox)),
            Hit(self.policies["mail-address"], limiter_partition(client_address)),
        )
        if not decision.allowed:
            log.info("mail.quota_used_up", policies=decision.violated)
        return decision.allowed
