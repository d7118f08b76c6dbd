from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, Field

from app.schemas.base import Line, Representation, RequestBody
from app.schemas.page import PageParameters, SearchText
from app.schemas.values import Email

RoleName = Annotated[Literal["user", "editor", "admin"], Field(title="Role")]
# Bounds the text that is read. The password policy checks the length.
PasswordText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        examples=["seven lamps on a long pier"],
        json_schema_extra={"format": "password"},
    ),
]
Password = Annotated[PasswordText, Field(repr=False)]
FullName = Annotated[Line, Field(examples=["Ada Lovelace"])]


class UserRegister(RequestBody):
    email: Email
    password: Password
    full_name: FullName | None = None


class UserCreate(UserRegister):
    """An account that an administrator creates for another person."""

    role: RoleName = "user"
    is_active: bool = True


class ProfileUpdate(RequestBody):
    """Changes to your own account. A field that you leave out keeps its value."""

    full_name: FullName | None | MISSING = MISSING


class UserUpdate(ProfileUpdate):
    role: RoleName | MISSING = MISSING
    is_active: bool | MISSING = MISSING


class AccountDelete(RequestBody):
    password: Password


class UserQuery(PageParameters):
    q: SearchText = Field(
        None, description="Text that the e-mail address or the name contains."
    )
    role: RoleName | None = None
    is_active: bool | None = None


class UserRead(Representation):
    id: UUID
    email: str = Field(examples=["ada@example.org"])
    full_name: str | None = Field(examples=["Ada Lovelace"])
    role: RoleName
    is_active: bool
    email_verified: bool
    created_at: datetime
    updated_at: datetime
