"""The words of rate limiting: what is counted, what was decided, who decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Literal, NamedTuple, Protocol

import structlog

MICROSECOND = timedelta(microseconds=1)
MICROSECONDS = 1_000_000  # in a second
LARGEST_LOG = 1000
NEVER = -1

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Policy:
    """At most `limit` hits in `window`, for each partition apart.

    "log" remembers every hit, so that no window holds more, wherever it begins.
    "gcra" remembers one number however large the limit: it lets `limit` hits through
    at once, then one each `window / limit`; an ill-placed window holds almost twice
    the limit.

    The name is the counter's name in Redis: another algorithm needs another name.
    """

    name: str
    limit: int
    window: timedelta
    algorithm: Literal["log", "gcra"] = "log"

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window <= timedelta(0):
            raise ValueError(f"{self.name}: limit and window must be positive.")
        if self.algorithm == "log" and self.limit > LARGEST_LOG:
            raise ValueError(
                f"{self.name}: a log of {self.limit} hits is too long to keep; "
                f'above {LARGEST_LOG} use algorithm="gcra".'
            )

    @cached_property
    def window_us(self) -> int:
        return self.window // MICROSECOND

    @cached_property
    def interval_us(self) -> int:
        """Time in which "gcra" wins back one hit, rounded up: strict, never lax."""
        return -(-self.window_us // self.limit)


@dataclass(slots=True)
class Hit:
    """One thing to count; a cost of 0 only looks, and is always allowed."""

    policy: Policy
    partition: str
    cost: int = 1
    # Of bounded length and free of user text, whatever the partition is.
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.cost < 0:
            raise ValueError("A hit cannot cost less than nothing.")
        self.key = counter_key(self.policy, self.partition)


class Quota(NamedTuple):
    """What is left to a partition, and the seconds until there is more (0: full)."""

    policy: Policy
    remaining: int
    reset_after: float


@dataclass(slots=True)
class Receipt:
    """What a refund gives back: once only, so a second refund takes from nobody."""

    taken: Sequence[tuple[Hit, int]] = ()  # each with the stamp it was written under
    local: "Receipt | None" = None  # of the same hits, counted in this process too

    def spend(self) -> Sequence[tuple[Hit, int]]:
        taken, self.taken = self.taken, ()
        return taken


@dataclass(slots=True)
class Decision:
    """The answer to all the hits of a call, with a quota for each, in their order.

    `retry_after` is exact, in seconds; a refusal without it says that the cost is
    above the limit, so that waiting is useless.
    """

    allowed: bool
    quotas: tuple[Quota, ...]
    retry_after: float | None = None
    violated: tuple[str, ...] = ()
    receipt: Receipt = field(default_factory=Receipt, repr=False, compare=False)
    degraded: bool = False  # made without Redis, which should have made it


class RateLimiter(Protocol):
    """Counts hits, each policy and partition apart."""

    async def hit(self, *hits: Hit) -> Decision:
        """Count all the hits or, if a single one does not fit, none."""

    async def refund(self, decision: Decision) -> None:
        """Give back exactly what the decision took and has not expired since."""

    async def reset(self, policy: Policy, partition: str) -> None:
        """Forget a counter."""


class NoRateLimiter:
    """Allows everything and counts nothing: for limits switched off."""

    async def hit(self, *hits: Hit) -> Decision:
        return Decision(True, tuple(Quota(h.policy, h.policy.limit, 0.0) for h in hits))

    async def refund(self, decision: Decision) -> None:
        pass

    async def reset(self, policy: Policy, partition: str) -> None:
        pass


class Outcome(NamedTuple):
    """What an algorithm says of one hit, in integer microseconds."""

    remaining: int
    reset: int
    wait: int  # 0: it fits; NEVER: it does not fit into an empty counter
    stamp: int  # identifies the hit to a refund


def counter_key(policy: Policy, partition: str) -> str:
    digest = sha256(partition.encode("utf-8", "surrogatepass")).hexdigest()
    return f"rl:v1:{policy.name}:{digest[:16]}"


def distinct_keys(hits: Sequence[Hit]) -> list[str]:
    """One key a hit; two hits on one counter would each be judged without the other.

    Raises:
        ValueError: Two hits share a counter.
    """
    keys = [hit.key for hit in hits]
    if len(set(keys)) < len(keys):
        raise ValueError("Two hits on one counter: make it one hit of their cost.")
    return keys


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
