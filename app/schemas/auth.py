from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, BaseModel, BeforeValidator, Field

from app.core.client_address import network_of
from app.schemas.base import USER_AGENT, Representation, RequestBody
from app.schemas.user import Password
from app.schemas.values import Email

# Far longer than our tokens, so that the token of another service gets the error that
# it is invalid, and not that it is too long.
LONGEST_TOKEN = 4096


# Any text, because an invalid address gets the same answer as an unknown one.
AnyEmail = Annotated[
    str, Field(max_length=320, examples=["ada@example.org"]), AfterValidator(str.strip)
]


class Credentials(RequestBody):
    email: AnyEmail
    password: Password


class RefreshRequest(RequestBody):
    refresh_token: Annotated[str, Field(max_length=LONGEST_TOKEN)] | MISSING = Field(
        default=MISSING,
        repr=False,
        description="Leave this field out if the token is "  # browser_sessions
        "in a cookie: send `{}`.",  # browser_sessions
        examples=["app_rt_AZqPPlpw"],
    )


class LeakedToken(RequestBody):
    token: Annotated[
        str,
        Field(
            max_length=LONGEST_TOKEN,
            repr=False,
            description="A token of this service, such as a refresh token.",
            examples=["app_rt_AZqPPlpw"],
        ),
        AfterValidator(str.strip),
    ]


class Revoked(BaseModel):
    """The same answer for every text."""

    status: Literal["revoked"] = "revoked"


class EmailAddress(RequestBody):
    email: AnyEmail


OneTimeToken = Annotated[
    str,
    Field(
        max_length=LONGEST_TOKEN,
        repr=False,
        description="The token from the link in the mail.",
        examples=["app_vt_AZqPPlpw"],
    ),
    AfterValidator(str.strip),
]


class TokenProof(RequestBody):
    token: OneTimeToken


class PasswordReset(RequestBody):
    token: OneTimeToken
    password: Password


class PasswordChange(RequestBody):
    current_password: Password
    new_password: Password


class EmailChange(RequestBody):
    email: Email
    password: Annotated[Password, Field(description="Your current password.")]


class CheckEmail(BaseModel):
    """The same answer for every address. Only the mail tells the owner more."""

    status: Literal["check_email"] = "check_email"


class SessionRead(Representation):
    """One of your sessions."""

    id: UUID
    ip: Annotated[str, BeforeValidator(network_of)] = Field(
        description="Network of your last request with this session: a /24, or a "
        "/48 of IPv6.",
        examples=["192.0.2.0/24"],
    )
    user_agent: str | None = Field(examples=[USER_AGENT])
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether this request belongs to the session.")


class TokenPair(BaseModel):
    access_token: str = Field(
        description="Send this token as `Authorization: Bearer`.",
        examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTlhIn0.c2lnbmF0dXJl"],
    )
    refresh_token: str | MISSING = Field(
        default=MISSING,  # browser_sessions
        description="Send this token to `/auth/refresh`, only once. "
        "Absent if you sent `X-Token-Transport: cookie`. "  # browser_sessions
        "The answer to the refresh contains the next token.",
        examples=["app_rt_AZqPPlpw"],
    )
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(
        description="Seconds until the access token expires.", examples=[900]
    )
