from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from app.schemas.base import Representation, RequestBody

Secret = Annotated[str, Field(max_length=4096, repr=False)]


class ProviderRead(Representation):
    """A provider with which users can sign in."""

    name: str = Field(description="Name of the provider in paths.", examples=["google"])
    title: str = Field(
        description="Name of the provider for people.", examples=["Google"]
    )


class ProviderList(BaseModel):
    items: list[ProviderRead]


class ExternalSignInStarted(BaseModel):
    """A sign-in that has begun. Send the browser to the provider."""

    authorization_url: str = Field(
        description="Send the browser to this URL.",
        examples=["https://accounts.google.com/o/oauth2/v2/auth?state=x"],
    )
    transaction: str = Field(
        description="Keep this value in the browser, for example in "
        "`sessionStorage`, and send it to `finish`. It works once.",
        examples=["app_vt_AZqPPlpw"],
    )
    expires_in: int = Field(
        description="Seconds until the transaction expires.", examples=[600]
    )


class ExternalSignInFinish(RequestBody):
    """The transaction, and the values that the provider has added to the URI."""

    transaction: Annotated[
        Secret,
        Field(
            description="The transaction that `start` returned to this browser.",
            examples=["app_vt_AZqPPlpw"],
        ),
    ]
    code: Annotated[Secret, Field(examples=["4/0AX4XfWh"])]
    state: Annotated[Secret, Field(examples=["kmV2bDzHrw"])]
    iss: Annotated[
        str | None,
        Field(
            max_length=300,
            description="Parameter `iss`, if the provider has sent one (RFC 9207).",
            examples=["https://accounts.google.com"],
        ),
    ] = None


class ExternalIdentityRead(Representation):
    """An identity at a provider with which you can sign in."""

    id: UUID
    provider: str = Field(examples=["google"])
    email: str | None = Field(
        description="The e-mail address that the provider sent at your last sign-in.",
        examples=["ada@example.org"],
    )
    created_at: datetime
    last_used_at: datetime | None
