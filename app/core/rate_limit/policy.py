"""The types of rate limiting: policies, hits, decisions and limiters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, Protocol

from app.core.logging import get_logger

MICROSECOND = timedelta(microseconds=1)
MICROSECONDS = 1_000_000  # in a second
LARGEST_LIMIT = 1000
NEVER = -1

log = get_logger(__name__)


@dataclass(frozen=True)
class Policy:
    """At most `limit` hits in `window`, counted separately for each partition.

    A partition is, for example, a client address or an account. The limiter remembers
    the time of every hit. Therefore no window has more than `limit` hits, whenever the
    window begins. The hits of a refused call do not count.
    """

    name: str
    limit: int
    window: timedelta

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window <= timedelta(0):
            raise ValueError(f"{self.name}: limit and window must be positive.")
        if self.limit > LARGEST_LIMIT:
            raise ValueError(
                f"{self.name}: the limit must not exceed {LARGEST_LIMIT}, because the "
                "limiter remembers every hit; choose a shorter window."
            )

    @cached_property
    def window_us(self) -> int:
        return self.window // MICROSECOND


@dataclass(slots=True)
class Hit:
    """One event to count. A hit of cost 0 only reads the counter, and always fits."""

    policy: Policy
    partition: str
    cost: int = 1
    # Contains only a hash of the partition, because a partition can be long or contain
    # the input of a user.
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.cost < 0:
            raise ValueError("The cost of a hit must not be negative.")
        self.key = counter_key(self.policy, self.partition)


class Quota(NamedTuple):
    """How many hits a partition has left, and the seconds until there is one more."""

    policy: Policy
    remaining: int
    reset_after: float  # 0 when the counter is empty


@dataclass(slots=True)
class Receipt:
    """The hits that a refund removes. A second refund of a receipt has no effect."""

    taken: Sequence[tuple[Hit, int]] = ()  # each hit with the time it was stored under
    local: "Receipt | None" = None  # the same hits, counted in this process as well

    def spend(self) -> Sequence[tuple[Hit, int]]:
        taken, self.taken = self.taken, ()
        return taken


@dataclass(slots=True)
class Decision:
    """The limiter's answer to one call, with a quota for each hit, in their order.

    `retry_after` is exact, in seconds. If a refusal has no `retry_after`, the cost of a
    hit exceeds its limit, so waiting does not help.
    """

    allowed: bool
    quotas: tuple[Quota, ...]
    retry_after: float | None = None
    violated: tuple[str, ...] = ()
    receipt: Receipt = field(default_factory=Receipt, repr=False, compare=False)
    degraded: bool = False  # this process decided alone, because Redis did not answer


class RateLimiter(Protocol):
    """Counts hits, separately for each policy and partition."""

    async def hit(self, *hits: Hit) -> Decision:
        """Count all the hits, or none of them if one does not fit."""

    async def refund(self, decision: Decision) -> None:
        """Remove the hits of this decision that have not expired yet."""

    async def reset(self, policy: Policy, partition: str) -> None:
        """Empty a counter."""


class NoRateLimiter:
    """Allows everything and counts nothing, for `RATE_LIMIT_ENABLED=false`."""

    async def hit(self, *hits: Hit) -> Decision:
        return Decision(True, tuple(Quota(h.policy, h.policy.limit, 0.0) for h in hits))

    async def refund(self, decision: Decision) -> None:
        pass

    async def reset(self, policy: Policy, partition: str) -> None:
        pass


class Outcome(NamedTuple):
    """The result for one hit. Times are integer microseconds."""

    remaining: int
    reset: int
    wait: int  # 0 if the hit fits, NEVER if its cost exceeds the limit
    stamp: int  # the time under which the hit was stored; a refund needs it


def counter_key(policy: Policy, partition: str) -> str:
    """Name a counter. A release that stores counters in another form changes `v2`."""
    digest = sha256(partition.encode("utf-8", "surrogatepass")).hexdigest()
    return f"rl:v2:{policy.name}:{digest[:16]}"


def distinct_keys(hits: Sequence[Hit]) -> None:
    """Refuse two hits on one counter: each would be judged without the other."""
    if len({hit.key for hit in hits}) < len(hits):
        raise ValueError("Two hits share one counter; make one hit with their cost.")


def decide(hits: Sequence[Hit], outcomes: Iterable[Outcome]) -> Decision:
    quotas, violated, taken = [], [], []
    longest_wait, ever = 0, True
    for hit, outcome in zip(hits, outcomes, strict=True):
        reset_after = outcome.reset / MICROSECONDS
        quotas.append(Quota(hit.policy, outcome.remaining, reset_after))
        if hit.cost:
            taken.append((hit, outcome.stamp))
        if outcome.wait:
            violated.append(hit.policy.name)
            longest_wait = max(longest_wait, outcome.wait)
            ever = ever and outcome.wait != NEVER
    if not violated:
        return Decision(True, tuple(quotas), receipt=Receipt(taken))
    if not ever:
        log.error("rate_limit.cost_above_limit", policies=violated)
    retry_after = longest_wait / MICROSECONDS if ever else None
    return Decision(False, tuple(quotas), retry_after, tuple(violated))
