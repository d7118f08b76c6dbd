"""Finds and locks the account of a caller who has not proved yet who they are."""

from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from app.core.email_address import canonical_email
from app.db.models.user import User
from app.db.reads import ReadSession

USER = User.__table__.c
COLUMNS = (
    USER.id,
    USER.email,
    USER.password_hash,
    USER.role,
    USER.is_active,
    USER.email_verified,
    USER.second_factors,
)
ACCOUNT: Select[Any] = select(*COLUMNS)
SELECT_BY_EMAIL = ACCOUNT.where(USER.email_canonical == bindparam("email"))
SELECT_BY_ID = ACCOUNT.where(USER.id == bindparam("id"))
LOCK = SELECT_BY_ID.where(USER.is_active).with_for_update()
LOCK_UNCHANGED = SELECT_BY_ID.where(
    USER.password_hash == bindparam("hash")
).with_for_update()


async def find_account(read: ReadSession, email: str) -> Row[Any] | None:
    """Find the account of an e-mail address, however the caller has spelt it."""
    return await read.one_or_none(SELECT_BY_EMAIL, {"email": canonical_email(email)})
