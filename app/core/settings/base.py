"""The base of every group, and the types and checks that the groups share."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from app.identity import TITLE


def split_commas(value: object) -> object:
    """Read a list written as `a, b` or as JSON, `["a", "b"]`."""
    if not isinstance(value, str):
        return value
    parts = (part.strip(" \"'") for part in value.strip(" []").split(","))
    return [part for part in parts if part]


def parse_networks(value: object) -> object:
    """Read networks with one message for a bad one: pydantic has one per type."""
    parts = split_commas(value)
    if not isinstance(parts, list):
        return parts
    try:
        return tuple(map(ip_network, parts))
    except ValueError:
        # Without its cause, because that contains the value.
        raise ValueError("must list networks such as 10.0.0.0/8") from None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(parse_networks)
]
Seconds = Annotated[float, Field(ge=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


def in_production(info: ValidationInfo) -> bool:
    """Whether to be strict. An environment that is not valid counts as production."""
    return bool(info.data.get("environment", "production") == "production")


def refuse(condition: object, reason: str) -> None:
    if condition:
        raise ValueError(reason)


class AppSettings(BaseModel):
    """Deployment."""

    environment: Literal["development", "staging", "production"] = Field(
        "development",
        description="Kind of this deployment. `production` refuses unsafe settings and "
        "does not serve /docs; `development` needs no other setting.",
    )
    app_name: str = Field(
        TITLE,
        description="Name of the service in the API documentation, in mails and, as "
        "application_name, in PostgreSQL.",
    )
    debug: bool = Field(
        False,
        description="`true` logs every SQL statement, without its values. Refused in "
        "production.",
    )
    api_v1_prefix: str = Field(
        "/api/v1",
        pattern=r"^(/[A-Za-z0-9._~-]+)+$",
        description="First part of the path of every API route.",
    )

    @field_validator("debug")
    @classmethod
    def _no_debug(cls, debug: bool, info: ValidationInfo) -> bool:
        refuse(debug and in_production(info), "must be false in production")
        return debug

    @property
    def is_production(self) -> bool:
        return self.environment == "production"
