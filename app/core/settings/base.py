"""The base of every group, and the types and checks that the groups share."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from app.identity import TITLE

DEFAULT_PASSWORDS = frozenset(
    "admin app changeme default guest mysecretpassword pass passw0rd password postgres "
    "postgresql redis root secret test user 123456 12345678".split()
)


def split_commas(value: object) -> object:
    """Read a list written as `a, b` or as JSON, `["a", "b"]`."""
    if not isinstance(value, str):
        return value
    parts = (part.strip(" \"'") for part in value.strip(" []").split(","))
    return [part for part in parts if part]


def parse_networks(value: object) -> object:
    """Read networks. Pydantic would report an invalid network once for each type."""
    parts = split_commas(value)
    if not isinstance(parts, list):
        return parts
    try:
        return tuple(map(ip_network, parts))
    except ValueError:
        # `from None`, because the cause contains the value.
        raise ValueError("must list addresses such as 10.0.0.7, or networks") from None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(parse_networks)
]
Seconds = Annotated[float, Field(ge=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


def in_production(info: ValidationInfo) -> bool:
    """Whether to be strict. An environment that is not valid counts as production."""
    return bool(info.data.get("environment", "production") == "production")


def outside_development(info: ValidationInfo) -> bool:
    """Whether to refuse weak secrets. An invalid environment counts as production."""
    return info.data.get("environment") != "development"


def refuse(condition: object, reason: str) -> None:
    if condition:
        raise ValueError(reason)


def split_url(url: str) -> SplitResult:
    """Parse a URL, or refuse it in our words: Python's errors contain the password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is the check
        refuse("@" in f"{parts.path}{parts.query}{parts.fragment}", "")
    except ValueError:
        raise ValueError(
            "must be a URL with a number as its port; in a password, write / as %2F, "
            ": as %3A, ? as %3F, # as %23, [ as %5B and @ as %40"
        ) from None
    return parts


def is_local(host: str) -> bool:
    """Whether a host, such as localhost, is the machine that connects to it."""
    host = host.lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def refuse_default_password(parts: SplitResult, info: ValidationInfo) -> None:
    password = unquote(parts.password or "").lower()
    refuse(
        outside_development(info)
        and password
        and password in {unquote(parts.username or "").lower(), *DEFAULT_PASSWORDS},
        "has a default password; set one that is random",
    )


def refuse_plaintext(host: str, encrypted: bool, info: ValidationInfo) -> None:
    local = not host or host.startswith("/") or is_local(host)
    allowed = local or host in info.data.get("plaintext_hosts", ())
    refuse(
        outside_development(info) and not encrypted and not allowed,
        "must use TLS, unless the host is local or PLAINTEXT_HOSTS names it",
    )


class AppSettings(BaseModel):
    """Deployment."""

    environment: Literal["development", "staging", "production"] = "development"
    """Kind of this deployment. `production` refuses unsafe settings and does not serve
    /docs; `staging` refuses weak secrets; with SQLite, `development` needs no other
    setting. You must set ENVIRONMENT if you use PostgreSQL. If ENVIRONMENT is not set,
    the service uses the value of FASTAPI_ENV.
    """

    app_name: str = TITLE
    """Name of the service in the API documentation, in mails and, as application_name,
    in PostgreSQL.
    """

    debug: bool = False
    """`true` logs every SQL statement, without its values. Production refuses `true`.
    """

    api_v1_prefix: str = Field("/api/v1", pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    """First part of the path of every API route."""

    plaintext_hosts: Names = ()
    """Hosts of other servers, such as PostgreSQL, Redis and SMTP, comma-separated, to
    which the service may connect without TLS in staging and production. Example:
    container names on a private network. Hosts on the same machine need no entry.
    """

    @field_validator("environment", mode="before")
    @classmethod
    def _environment(cls, environment: object) -> object:
        refuse(environment is None, "must be set, because DATABASE_URL is not SQLite")
        return environment

    @field_validator("debug")
    @classmethod
    def _no_debug(cls, debug: bool, info: ValidationInfo) -> bool:
        refuse(debug and in_production(info), "must be false in production")
        return debug

    @property
    def is_production(self) -> bool:
        return self.environment == "production"
