"""How often a caller may do something, counted in this process or in Redis."""

from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import (
    LARGEST_LIMIT,
    Decision,
    Hit,
    NoRateLimiter,
    Policy,
    Quota,
    RateLimiter,
)

__all__ = [
    "LARGEST_LIMIT",
    "Decision",
    "Hit",
    "MemoryRateLimiter",
    "NoRateLimiter",
    "Policy",
    "Quota",
    "RateLimiter",
]
