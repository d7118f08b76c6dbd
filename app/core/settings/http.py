"""The edge: who may call from where."""

from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import AppSettings, Names, Networks, in_production, refuse


class HTTPSettings(AppSettings):
    """The edge: who may call from where."""

    cors_allowed_origins: Names = Field(
        (), description="Exact origins of browser clients, comma-separated."
    )
    allowed_hosts: Names = Field(
        ("*",), description="Host names served; *.example.com for subdomains."
    )
    trusted_proxies: Networks = Field(
        (), description="Networks whose X-Forwarded-For and -Proto are believed."
    )
    gzip_minimum_bytes: int = Field(
        1024, ge=0, description="Compress larger answers; 0 switches it off."
    )

    @field_validator("cors_allowed_origins")
    @classmethod
    def _exact_origins(
        cls, origins: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        for origin in origins:
            url = urlsplit(origin)
            exact = url.scheme in {"http", "https"} and origin == (
                f"{url.scheme}://{url.netloc}"
            )
            refuse(not exact, "must list exact origins such as https://app.example.com")
            refuse(
                url.scheme == "http" and in_production(info),
                "must list https origins only in production",
            )
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _named_hosts(
        cls, hosts: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        open_to_all = not hosts or "*" in hosts
        refuse(open_to_all and in_production(info), "must name the hosts in production")
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everyone(
        cls, networks: tuple[IPv4Network | IPv6Network, ...]
    ) -> tuple[IPv4Network | IPv6Network, ...]:
        refuse(any(n.prefixlen == 0 for n in networks), "must not trust every address")
        return networks
