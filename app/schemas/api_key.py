from datetime import datetime
from ipaddress import ip_network
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from app.schemas.base import Line, Representation, RequestBody


def network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:  # its message repeats the value
        raise ValueError("Input should be a network such as 192.0.2.0/24") from None


def words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


def last_word(value: object) -> object:
    *_, last = (None, *value.split()) if isinstance(value, str) else (value,)
    return last


ExpiresInDays = Annotated[
    int | None,
    Field(
        ge=1,
        le=366,
        description="Days until the key expires, at most API_KEY_MAX_DAYS. Default: "
        "90, or API_KEY_MAX_DAYS if that is less.",
        examples=[90],
    ),
]
Scope = Annotated[
    str, Field(max_length=50, pattern="^[a-z_]+:[a-z_]+$", examples=["account:read"])
]
Network = Annotated[
    str, Field(max_length=43, examples=["192.0.2.0/24"]), AfterValidator(network)
]


class ApiKeyCreate(RequestBody):
    name: Annotated[Line, Field(examples=["Nightly import"])]
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=9,
        description="Each must be a scope that you have now, except `account:write`, "
        "because a key must not change how you sign in.",
    )
    expires_in_days: ExpiresInDays = None
    allowed_networks: list[Network] = Field(
        default_factory=list,
        max_length=20,
        description="The key works only from these networks. Empty: from all networks.",
    )


class ApiKeyRotate(RequestBody):
    overlap_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="Seconds for which the old key still works.",
    )
    expires_in_days: ExpiresInDays = None


class ApiKeyRead(Representation):
    """One of your API keys, without its secret."""

    id: UUID
    name: str = Field(examples=["Nightly import"])
    hint: str = Field(
        description="The first and the last characters of the key.",
        examples=["app_pat_4fQ2...x9Zq"],
    )
    scopes: Annotated[list[str], BeforeValidator(words)] = Field(
        validation_alias="scope",
        description="The key can do what these scopes and your role both allow.",
        examples=[["account:read"]],
    )
    allowed_networks: Annotated[list[str], BeforeValidator(words)] = Field(
        examples=[["192.0.2.0/24"]]
    )
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(
        description="Time of the last use, stored at most once a minute."
    )
    last_used_network: Annotated[str | None, BeforeValidator(last_word)] = Field(
        validation_alias="seen_networks",
        description="Network of the last use: a /24, or a /48 of IPv6.",
        examples=["192.0.2.0/24"],
    )


class ApiKeyCreated(ApiKeyRead):
    """A new API key. Only this answer contains the secret, as `key`."""

    key: str = Field(
        description="Send this key as `Authorization: Bearer`.",
        examples=["app_pat_4fQ2Lr8sV0nXcB7yHw3KtZ6mPjDq1A2bC3x9Zq"],
    )
