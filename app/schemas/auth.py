from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from app.schemas.base import RequestBody
from app.schemas.user import Password


class Credentials(RequestBody):
    # Any text: an address that cannot exist is refused like an unknown one.
    email: Annotated[str, Field(max_length=320)]
    password: Password


class RefreshRequest(RequestBody):
    refresh_token: Annotated[
        str,
        StringConstraints(max_length=512, strip_whitespace=False),
        Field(repr=False),
    ]


class TokenPair(BaseModel):
    access_token: str = Field(description="Send as `Authorization: Bearer`.")
    refresh_token: str = Field(description="Use once; the answer holds the next one.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds the access token is valid for.")
