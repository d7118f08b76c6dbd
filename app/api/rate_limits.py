"""How often a route may be asked: what is counted, for whom, and how it is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from fastapi import Depends, Request

from app.core.client_address import limiter_partition
from app.core.errors import TooManyRequests, shown_name
from app.core.rate_limit import Decision, Hit, Quota
from app.core.request_context import RequestContext, current_request
from app.services.accounts.principal import Principal
from app.state import Resources

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
LEFT = "limits_left_until_the_caller_is_known"
Partition = Literal["address", "user", "session", "route"]


@dataclass(frozen=True)
class Limited:
    """One policy of a route, counted apart for each combination of what `by` names.

    A user or a session is the address as long as nobody is signed in.
    """

    policy: str
    by: tuple[Partition, ...] = ("address",)
    cost: int = 1
    # To tell what remains would tell whether somebody else tries that account.
    shown: bool = False

    @property
    def needs_caller(self) -> bool:
        return not {"user", "session"}.isdisjoint(self.by)

    def partition(self, request: Request, caller: Principal | None) -> str:
        return "|".join(_part(name, request, caller) for name in self.by)

    async def __call__(self) -> None:
        """Do nothing: the route counts before it reads the body, all in one call."""


def limited(policy: str, *by: Partition, cost: int = 1, shown: bool = False) -> Any:
    """Count each request of a route under a policy of the settings."""
    return Depends(Limited(policy, by or ("address",), cost, shown))


EVERYTHING = Limited("all", shown=True)
WRITES = Limited("writes", ("user",), shown=True)


def limits_of(methods: Iterable[str], dependencies: Sequence[Any]) -> list[Limited]:
    """List what a route declares; for one that writes there is a default."""
    own = [each.dependency for each in dependencies]
    declared = [limit for limit in own if isinstance(limit, Limited)]
    if not declared and not SAFE_METHODS.issuperset(methods):
        declared = [WRITES]
    return [EVERYTHING, *declared]


async def count_with(caller: Principal | None, request: Request) -> None:
    """Count what the route has left until it is known who calls."""
    if limits := request.scope.pop(LEFT, None):
        await count(limits, request, caller)


async def count(
    limits: Sequence[Limited], request: Request, caller: Principal | None
) -> None:
    """Count a request under every limit that is switched on, in one call.

    Raises:
        TooManyRequests: One of them is used up; then none has counted.
    """
    resources: Resources = request.app.state.resources
    active = [limit for limit in limits if limit.policy in resources.policies]
    if not active:
        return
    decision = await resources.limiter.hit(
        *(
            Hit(
                resources.policies[limit.policy],
                limit.partition(request, caller),
                limit.cost,
            )
            for limit in active
        )
    )
    _tell(active, decision)
    if not decision.allowed:
        raise TooManyRequests(decision.retry_after, decision.violated)


def _part(name: Partition, request: Request, caller: Principal | None) -> str:
    if name == "route":
        return request.scope["route"].path_format  # type: ignore[no-any-return]
    if name == "user" and caller is not None:
        return f"user:{caller.user_id}"
    if name == "session" and caller is not None:
        return f"session:{caller.session_id}"
    return limiter_partition(_context().client_address)


def _tell(limits: Sequence[Limited], decision: Decision) -> None:
    """Write the fields of draft-ietf-httpapi-ratelimit-headers-11."""
    quotas = [
        quota
        for limit, quota in zip(limits, decision.quotas, strict=True)
        if limit.shown
    ]
    if quotas:
        policies, remains = map(", ".join, zip(*map(_items, quotas), strict=True))
        _context().answer_headers += [
            (b"ratelimit-policy", policies.encode()),
            (b"ratelimit", remains.encode()),
        ]


def _items(quota: Quota) -> tuple[str, str]:
    policy = quota.policy
    name, window = shown_name(policy.name), policy.window_us // 1_000_000
    return (
        f'"{name}";q={policy.limit};w={window}',
        f'"{name}";r={quota.remaining};t={ceil(quota.reset_after)}',
    )


def _context() -> RequestContext:
    context = current_request()
    assert context is not None  # noqa: S101 - the middleware is always there
    return context
