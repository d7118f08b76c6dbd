"""What every group has, and how values are read and refused."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from app.identity import TITLE


def split_commas(value: object) -> object:
    """Read `a, b` and the JSON form `["a", "b"]` alike."""
    if not isinstance(value, str):
        return value
    parts = (part.strip(" \"'") for part in value.strip(" []").split(","))
    return [part for part in parts if part]


def parse_networks(value: object) -> object:
    """Say once what is no network, not once for each kind that it might have been."""
    parts = split_commas(value)
    if not isinstance(parts, list):
        return parts
    try:
        return tuple(map(ip_network, parts))
    except ValueError:
        # Without its cause, which carries the value.
        raise ValueError("must list networks such as 10.0.0.0/8") from None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(parse_networks)
]
Seconds = Annotated[float, Field(ge=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


def in_production(info: ValidationInfo) -> bool:
    """Whether to be strict: also when the environment itself could not be read."""
    return bool(info.data.get("environment", "production") == "production")


def refuse(condition: object, reason: str) -> None:
    if condition:
        raise ValueError(reason)


class AppSettings(BaseModel):
    """What this deployment is."""

    environment: Literal["development", "staging", "production"] = Field(
        "development", description="Production refuses unsafe settings and hides docs."
    )
    app_name: str = Field(TITLE, description="Shown in the API documentation.")
    debug: bool = Field(False, description="Log SQL; refused in production.")
    api_v1_prefix: str = Field(
        "/api/v1", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Path of the API."
    )

    @field_validator("debug")
    @classmethod
    def _no_debug(cls, debug: bool, info: ValidationInfo) -> bool:
        refuse(debug and in_production(info), "must be off in production")
        return debug

    @property
    def is_production(self) -> bool:
        return self.environment == "production"
