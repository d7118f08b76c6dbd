"""Limits: how much a client can ask for."""

from math import gcd
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from app.core.rate_limit.policy import LARGEST_LIMIT
from app.core.settings.base import (
    AppSettings,
    in_production,
    refuse,
    refuse_default_password,
    refuse_plaintext,
    split_url,
)


def split_rate(value: object) -> object:
    """Read `requests/seconds`, or `off`."""
    if not isinstance(value, str):
        return value
    if value.strip() in ("", "off"):
        return None
    requests, _, seconds = value.partition("/")
    numbers = requests.strip(), seconds.strip()
    known = all(n.isascii() and n.isdigit() and 0 < int(n) <= 10**6 for n in numbers)
    refuse(not known, "must be requests/seconds, such as 600/60, or off")
    return tuple(map(int, numbers))


def shorten(rate: tuple[int, int] | None) -> tuple[int, int] | None:
    """Divide the requests and the seconds of a rate that has too many requests."""
    if rate is None or rate[0] <= LARGEST_LIMIT:
        return rate
    divisor = gcd(*rate)
    requests, seconds = rate[0] // divisor, rate[1] // divisor
    refuse(
        requests > LARGEST_LIMIT,
        f"must not exceed {LARGEST_LIMIT} requests, unless both numbers can be divided "
        "by the same whole number, as in 6000/60, which the service counts as 1000/10",
    )
    longest = LARGEST_LIMIT // requests
    return requests * longest, seconds * longest


Rate = Annotated[
    tuple[int, int] | None,
    NoDecode,
    BeforeValidator(split_rate),
    AfterValidator(shorten),
]


REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")


def can_connect(url: str) -> bool:
    """Whether redis-py accepts the URL. This opens no connection."""
    from app.core.rate_limit.client import create_redis_client

    try:
        create_redis_client(url).connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError):
        return False
    return True


def one_for_each_sentinel(url: str) -> list[str]:
    """Make one URL for each host of `redis+sentinel://…@host,host2/service/0`."""
    start, slashes, rest = url.partition("+sentinel://")
    if not slashes:
        return [url]
    credentials, at, rest = rest.rpartition("@")
    hosts, _, path = rest.partition("/")
    refuse(not path.partition("?")[0], "must name the service of Sentinel as its path")
    before = f"{start}{slashes}{credentials}{at}"
    return [f"{before}{host}/{path}" for host in hosts.split(",")]


class LimitSettings(AppSettings):
    """Limits: how much a client can ask for."""

    redis_url: str = Field("", repr=False)
    """Redis server that holds the rate-limit counters of all processes: `redis://…`,
    `rediss://…` (TLS) or `unix://…`. For Sentinel, name the Sentinels and the service:
    `redis+sentinel://:password@host:26379,host2:26379/service/0`, or
    `rediss+sentinel://…`. Without REDIS_URL, each process counts alone. Outside
    development, a Redis on another machine needs TLS or an entry in PLAINTEXT_HOSTS.
    """

    rate_limit_enabled: bool = True
    """`false` disables all rate limits. Production refuses `false`."""

    rate_limit_requests: int = Field(100, ge=1, le=LARGEST_LIMIT)
    """Largest number of login requests that one client address can send in
    RATE_LIMIT_WINDOW_SECONDS. Register and refresh each have a separate limit of the
    same size.
    """

    rate_limit_window_seconds: int = Field(60, ge=1, le=86_400)
    """Seconds for which RATE_LIMIT_REQUESTS is the limit."""

    login_failures_per_ip: int = Field(20, ge=1, le=LARGEST_LIMIT)
    """Limit for the wrong passwords that one client address sends from unknown devices
    in LOGIN_FAILURES_WINDOW_SECONDS.
    """

    # At most 200: the limit of a day is five times as high and cannot exceed 1000.
    login_failures_per_account: int = Field(10, ge=1, le=200)
    """Limit for the wrong passwords for one account in LOGIN_FAILURES_WINDOW_SECONDS.
    Each known device has its own counter, and all unknown devices share one counter.
    There are also two limits for each day, each five times as high: one for all unknown
    devices together, and one for all known devices together.
    """

    login_failures_window_seconds: int = Field(900, ge=1, le=86_400)
    """Seconds for which LOGIN_FAILURES_PER_IP and LOGIN_FAILURES_PER_ACCOUNT are the
    limits.
    """

    rate_limit_writes: Rate = None
    """Limit for the POST, PATCH and DELETE requests of one account. Requests with a
    credential other than an access token count by credential; requests without a token
    count by client address. Write the limit as `requests/seconds`, for example 600/60.
    Empty or `off`: no limit. If you write more than 1000 requests, the service shortens
    the window and keeps the same rate: it applies 6000/60 as 1000/10.
    """

    # In the form of the environment, for the settings page. Pydantic parses it.
    rate_limit_all: Rate = "1200/60"  # type: ignore[assignment]
    """Limit for all requests of one client address. Write it like RATE_LIMIT_WRITES. A
    request with a search text (`?q=`) counts as four requests, because it costs more.
    `off`: no limit.
    """

    rate_limit_expected_instances: int = Field(1, ge=1, le=1000)
    """Number of instances, each with WEB_CONCURRENCY workers. While Redis does not
    answer, each worker counts alone and allows its share of every limit: the limit
    divided by the number of all workers.
    """

    max_body_bytes: int = Field(65_536, ge=1024)
    """Largest request body in bytes; a larger one gets a 413."""

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: str, info: ValidationInfo) -> str:
        for each in one_for_each_sentinel(url):
            parts = split_url(each)
            refuse(
                url and parts.scheme not in REDIS_SCHEMES,
                f"must start with {':// or '.join(REDIS_SCHEMES)}://",
            )
            refuse_default_password(parts, info)
            encrypted = parts.scheme.startswith(("rediss", "unix"))
            refuse_plaintext(parts.hostname or "", encrypted, info)
        refuse(
            url and not can_connect(url), "can only have parameters that redis-py knows"
        )
        return url

    @field_validator("rate_limit_enabled")
    @classmethod
    def _limits_on(cls, enabled: bool, info: ValidationInfo) -> bool:
        refuse(not enabled and in_production(info), "must be true in production")
        return enabled
