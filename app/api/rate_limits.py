"""Limits on how often a client calls a route, and the header fields that show them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import ceil
from typing import Any, Literal

from fastapi import Request

from app.api.declarations import Endpoint, declare, declared
from app.core.client_address import limiter_partition
from app.core.errors import TooManyRequests, shown_name
from app.core.metrics import rate_limit_decisions, rate_limit_degraded
from app.core.rate_limit.policy import MICROSECONDS, Decision, Hit, Policy, Quota
from app.core.request_context import RequestContext, current_request
from app.services.accounts.principal import Principal
from app.state import AppState

# Cached, because hashing a partition takes as long as counting its hit.
make_hit = lru_cache(maxsize=4096)(Hit)
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
Partition = Literal["address", "user", "session", "route"]


@dataclass(frozen=True)
class Limited:
    """One policy of a route. Requests that agree in all parts of `by` share a counter.

    For a client without a token, `user` and `session` mean the IP address of the
    client. For a caller with another credential, such as an API key, both mean this
    credential.
    """

    policy: str
    by: tuple[Partition, ...] = ("address",)
    cost: int | Callable[[Request], int] = 1
    # Hidden by default: the remaining count would reveal that someone else is trying
    # the same account.
    shown: bool = False

    def hit(self, policy: Policy, request: Request, caller: Principal | None) -> Hit:
        partition = "|".join([_part(name, request, caller) for name in self.by])
        cost = self.cost if isinstance(self.cost, int) else self.cost(request)
        # A cost above the limit would never pass, however long the client waits.
        return make_hit(policy, partition, min(cost, policy.limit))


@dataclass(frozen=True)
class Unlimited:
    reason: str


def limited(
    policy: str,
    *by: Partition,
    cost: int | Callable[[Request], int] = 1,
    shown: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """Count each request of an endpoint as `cost` hits of a policy.

    The policy `all` counts each request as one hit. To change this number for an
    endpoint, name the policy `all` here.
    """
    limit = Limited(policy, by or ("address",), cost, shown)
    return lambda endpoint: declare(endpoint, limit)


def unlimited(reason: str) -> Callable[[Endpoint], Endpoint]:
    """Count no request of an endpoint, not even under the policy `all`."""
    return lambda endpoint: declare(endpoint, Unlimited(reason))


EVERYTHING = Limited("all", shown=True)
WRITES = Limited("writes", ("user",), shown=True)


def limits_of(endpoint: Callable[..., Any], methods: Iterable[str]) -> list[Limited]:
    """List the limits of an endpoint. An endpoint that writes has a default limit."""
    if declared(endpoint, Unlimited):
        return []
    own = declared(endpoint, Limited)
    if not own and not SAFE_METHODS.issuperset(methods):
        own = [WRITES]
    if any(limit.policy == EVERYTHING.policy for limit in own):
        return own
    return [EVERYTHING, *own]


async def count(
    limits: Sequence[Limited], request: Request, caller: Principal | None
) -> None:
    """Count a request under every limit that is switched on, in one call.

    A policy with the name of a kind of credential counts all requests with such a
    credential. If one limit is used up, this raises `TooManyRequests`, and no limit
    counts the request.
    """
    state: AppState = request.app.state.shared
    if limits and caller is not None and caller.credential in state.policies:
        limits = [*limits, Limited(caller.credential, ("session",), shown=True)]
    active = [limit for limit in limits if limit.policy in state.policies]
    if not active:
        return
    decision = await state.limiter.hit(
        *[limit.hit(state.policies[limit.policy], request, caller) for limit in active]
    )
    _show(active, decision)
    if decision.allowed:
        for limit in active:
            rate_limit_decisions.labels(limit.policy, "allowed").inc()
    if decision.degraded:
        rate_limit_degraded.labels("local").inc()
        _context().log_fields["rate_limit"] = "degraded"
    if not decision.allowed:
        raise TooManyRequests(decision.retry_after, decision.violated)


def _part(name: Partition, request: Request, caller: Principal | None) -> str:
    if name == "route":
        return request.scope["route"].path_format  # type: ignore[no-any-return]
    if name == "address" or caller is None:
        return limiter_partition(_context().client_address)
    if name == "user" and caller.credential == "session":
        return f"user:{caller.user_id}"
    return f"{caller.credential}:{caller.credential_id}"


def _show(limits: Sequence[Limited], decision: Decision) -> None:
    """Write the fields of draft-ietf-httpapi-ratelimit-headers-11."""
    shown = [
        _items(quota)
        for limit, quota in zip(limits, decision.quotas, strict=True)
        if limit.shown
    ]
    if shown:
        policies, remains = zip(*shown, strict=True)
        _context().answer_headers += [
            (b"ratelimit-policy", b", ".join(policies)),
            (b"ratelimit", b", ".join(remains)),
        ]


def _items(quota: Quota) -> tuple[bytes, bytes]:
    item, remaining = _forms(quota.policy)
    return item, remaining % (quota.remaining, ceil(quota.reset_after))


@cache
def _forms(policy: Policy) -> tuple[bytes, bytes]:
    name, window = shown_name(policy.name), policy.window_us // MICROSECONDS
    item = f'"{name}";q={policy.limit};w={window}'
    return item.encode(), f'"{name}";r=%d;t=%d'.encode()


def _context() -> RequestContext:
    context = current_request()
    assert context is not None  # noqa: S101 - the middleware is always there
    return context
