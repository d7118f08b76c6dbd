"""Passkeys: the domain that they belong to, and the pages that may use them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import Names, outside_development, refuse
from app.core.settings.mail import MailSettings

DEFAULT_PORTS = {"http": 80, "https": 443}


class PasskeySettings(MailSettings):
    """Passkeys: the domain that they belong to, and the pages that may use them."""

    passkey_rp_id: str = Field(
        "", max_length=253, pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)*)?$"
    )
    """Domain that passkeys belong to, such as `example.org`. A passkey also works on
    the subdomains. If you change the domain, no existing passkey works any more.
    Default: the host of PUBLIC_BASE_URL, or `localhost` if this host is an IP address,
    because browsers make no passkey for an IP address.
    """

    passkey_origins: Names = ()
    """Origins of the pages that may use passkeys, comma-separated, such as
    `https://example.org`. Each must be in the domain PASSKEY_RP_ID. Default: the origin
    of PUBLIC_BASE_URL.
    """

    @field_validator("passkey_rp_id")
    @classmethod
    def _default_domain(cls, domain: str, info: ValidationInfo) -> str:
        return domain or domain_of(info.data.get("public_base_url", ""))

    @field_validator("passkey_origins")
    @classmethod
    def _origins(cls, origins: Names, info: ValidationInfo) -> Names:
        for origin in origins:
            scheme, _, rest = origin.partition("://")
            refuse(
                scheme not in DEFAULT_PORTS or urlsplit(origin).netloc != rest,
                "must list origins such as https://example.org, without a path",
            )
            refuse(
                scheme == "http" and outside_development(info),
                "must list only https origins, because http is allowed only in "
                "development",
            )
        origins = origins or (origin_of(info.data.get("public_base_url", "")),)
        domain = info.data.get("passkey_rp_id", "")
        refuse(
            not all(f".{domain_of(each)}".endswith(f".{domain}") for each in origins),
            "must list origins in the domain PASSKEY_RP_ID",
        )
        return origins


def domain_of(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host
    return "localhost"


def origin_of(url: str) -> str:
    """Return the origin of a page as browsers write it."""
    parts = urlsplit(url)
    own_port = parts.port not in {None, DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{domain_of(url)}" + f":{parts.port}" * own_port
