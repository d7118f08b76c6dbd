"""The limits that routes name, by the names that clients see of them."""

from datetime import timedelta
from typing import Literal

from app.core.config import LimitSettings
from app.core.rate_limit import LARGEST_LOG, Policy
from app.services.account_quota import PER_CLIENT


def rate_limit_policies(settings: LimitSettings) -> dict[str, Policy]:
    """Make them from the settings; `writes` and `all` only when they are set."""
    window = timedelta(seconds=settings.rate_limit_window_seconds)
    policies = {
        name: Policy(name, settings.rate_limit_requests, window)
        for name in ("login", "register", "refresh")
    }
    policies[PER_CLIENT.name] = PER_CLIENT
    policies["denied-event"] = Policy("denied-event", 10, timedelta(minutes=1))
    rates = {"writes": settings.rate_limit_writes, "all": settings.rate_limit_all}
    for name, rate in rates.items():
        if rate is not None:
            policies[name] = _policy(name, *rate)
    return policies


def _policy(name: str, limit: int, seconds: int) -> Policy:
    algorithm: Literal["log", "gcra"] = "log" if limit <= LARGEST_LOG else "gcra"
    # One algorithm cannot read the counters of the other.
    counter = f"{name}-{algorithm}"
    return Policy(counter, limit, timedelta(seconds=seconds), algorithm)
