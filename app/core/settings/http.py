"""HTTP: hosts, origins and proxies."""

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import (
    AppSettings,
    Names,
    Networks,
    in_production,
    refuse,
    split_url,
)

DOMAIN = re.compile(r"\*(\.[^.*]+){2,}")  # *.example.com
HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
# The service compares `::ffff:10.0.0.7` as the IPv4 address that it contains.
IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")


class HTTPSettings(AppSettings):
    """HTTP: hosts, origins and proxies."""

    cors_allowed_origins: Names = ()
    """Origins whose pages can call the API from a browser, comma-separated, such as
    https://app.example.com. Production accepts only https.
    """

    allowed_hosts: Names = ("*",)
    """Host names that the service answers to, comma-separated. `*.example.com` allows
    every subdomain, `*` every name. Production refuses `*`.
    """

    trusted_proxies: Networks = ()
    """Addresses of your proxies, comma-separated, such as 10.0.0.7. The service
    believes X-Forwarded-For and X-Forwarded-Proto only from these addresses. Name a
    network only if every host in it is a proxy, because each host in the network can
    send a false client address.
    """

    gzip_minimum_bytes: int = Field(1024, ge=0)
    """Smallest answer, in bytes, that the service compresses. 0 disables compression.
    """

    @field_validator("cors_allowed_origins")
    @classmethod
    def _exact_origins(
        cls, origins: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        for origin in origins:
            url = split_url(origin)
            exact = (
                url.scheme in {"http", "https"}
                and origin == f"{url.scheme}://{url.netloc}"
                and "*" not in origin
            )
            refuse(not exact, "must list exact origins such as https://app.example.com")
            refuse(
                url.scheme == "http" and in_production(info),
                "must list only https origins in production",
            )
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _named_hosts(
        cls, hosts: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        refuse(
            not all(map(HOST.fullmatch, hosts)),
            "must list host names such as api.example.com, without scheme and port",
        )
        open_to_all = not hosts or "*" in hosts
        refuse(
            open_to_all and in_production(info),
            "must name your hosts in production, without *",
        )
        refuse(
            any("*" in h and not DOMAIN.fullmatch(h) for h in hosts)
            and in_production(info),
            "must not allow a whole top-level domain in production",
        )
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everyone(
        cls, networks: tuple[IPv4Network | IPv6Network, ...]
    ) -> tuple[IPv4Network | IPv6Network, ...]:
        old = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
        new = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
        for merged in (list(old), list(new)):
            # Public IPv6 (2000::/3) is an eighth of all addresses: no operator owns it.
            share = sum(2.0**-network.prefixlen for network in merged)
            refuse(share >= 1 / 8, "must cover less than an eighth of all addresses")
        refuse(
            any(n.version == 6 and n.overlaps(IPV4_IN_IPV6) for n in networks),
            "must list IPv4 addresses in their own form, such as 10.0.0.7",
        )
        return networks
