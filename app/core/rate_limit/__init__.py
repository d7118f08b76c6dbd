"""How often a caller may do something, counted here or in Redis."""

from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import (
    LARGEST_LOG,
    Decision,
    Hit,
    NoRateLimiter,
    Policy,
    Quota,
    RateLimiter,
)
from app.core.rate_limit.redis import RedisRateLimiter
from app.core.rate_limit.resilient import ResilientRateLimiter

__all__ = [
    "LARGEST_LOG",
    "Decision",
    "Hit",
    "MemoryRateLimiter",
    "NoRateLimiter",
    "Policy",
    "Quota",
    "RateLimiter",
    "RedisRateLimiter",
    "ResilientRateLimiter",
]
