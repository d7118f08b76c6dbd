"""Mailed links that prove who owns an address. Each link can be used once."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Row, String, Uuid, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import BadRequest
from app.core.tokens.one_time import digest, generate
from app.db.base import Instant, utc_now
from app.db.models.one_time_token import OneTimeToken, TokenPurpose
from app.db.models.user import User
from app.db.reads import ReadSession
from app.services.mail.outbox import Outbox

TOKEN = OneTimeToken.__table__.c
USER = User.__table__.c
LIFETIMES = {
    TokenPurpose.VERIFY_EMAIL: (timedelta(hours=24), "24 hours"),
    TokenPurpose.RESET_PASSWORD: (timedelta(minutes=30), "30 minutes"),
    TokenPurpose.CHANGE_EMAIL: (timedelta(hours=24), "24 hours"),
}
PAGES = {
    TokenPurpose.VERIFY_EMAIL: "verify-email",
    TokenPurpose.RESET_PASSWORD: "reset-password",
    TokenPurpose.CHANGE_EMAIL: "confirm-email",
}


class TokenInvalid(BadRequest):
    """The mailed token is unknown, expired, replaced or already used."""

    code = "token_invalid"
    detail = "The link is not valid any more. Request a new one."


def _insert(dialect: Any) -> Insert:
    """Make the statement that stores a token for an active user.

    The token replaces an earlier one for the same purpose and the same password.
    """
    values = {
        "user_id": USER.id,
        "purpose": bindparam("purpose", type_=String),
        "token_hash": bindparam("token_hash", type_=TOKEN.token_hash.type),
        "email_canonical": USER.email_canonical,
        "password_fingerprint": bindparam(
            "password_fingerprint", type_=TOKEN.password_fingerprint.type
        ),
        "password_hash": bindparam("chosen", type_=String),
        "new_email": bindparam("new_email", type_=String),
        "expires_at": bindparam("expires_at", type_=Instant),
    }
    owner = select(*values.values()).where(
        USER.id == bindparam("owner", type_=Uuid), USER.is_active
    )
    insert = dialect.insert(OneTimeToken.__table__).from_select(list(values), owner)
    replaced = {name: insert.excluded[name] for name in values}
    statement: Insert = insert.on_conflict_do_update(
        index_elements=[TOKEN.user_id, TOKEN.purpose, TOKEN.password_fingerprint],
        set_=replaced,
    )
    return statement


INSERT = {"postgresql": _insert(postgresql), "sqlite": _insert(sqlite)}
SELECT_TOKEN = (
    select(
        TOKEN.user_id,
        TOKEN.purpose,
        TOKEN.token_hash,
        TOKEN.new_email,
        TOKEN.password_fingerprint,
        TOKEN.password_hash.label("chosen_hash"),
        USER.email,
        USER.password_hash,
    )
    .join(User, TOKEN.user_id == USER.id)
    .where(
        TOKEN.token_hash == bindparam("token_hash"),
        TOKEN.purpose == bindparam("purpose"),
        TOKEN.expires_at > bindparam("now"),
        TOKEN.email_canonical == USER.email_canonical,
        USER.is_active,
    )
)


SELECT_CHOSEN = (
    select(TOKEN.password_hash)
    .where(
        TOKEN.user_id == bindparam("owner", type_=Uuid),
        TOKEN.purpose == TokenPurpose.VERIFY_EMAIL,
    )
    .order_by(TOKEN.expires_at.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class OneTimeLinks:
    """Makes links. Each link is bound to a purpose and to an account.

    A change of the e-mail address or of the password makes the link invalid.
    """

    session: AsyncSession
    read: ReadSession
    outbox: Outbox
    base_url: str  # from the settings: an attacker could choose the Host header

    async def mail(
        self,
        purpose: TokenPurpose,
        user: User | Row[Any] | None,
        *,
        new_email: str | None = None,
        chosen_hash: str | None = None,
    ) -> None:
        """Mail a link.

        Without a user, do the same work but send nothing. Otherwise the timing would
        reveal whether the account exists. `chosen_hash` is the hash of the password
        that the link activates.
        """
        lifetime, valid_for = LIFETIMES[purpose]
        token, expires_at = generate(), utc_now() + lifetime
        values = {
            "owner": user.id if user else uuid7(),
            "purpose": purpose,
            "token_hash": digest(token),
            "password_fingerprint": fingerprint(
                chosen_hash or (user.password_hash if user else "")
            ),
            "chosen": chosen_hash,
            "new_email": new_email,
            "expires_at": expires_at,
        }
        dialect = self.session.get_bind().dialect.name
        await self.session.execute(INSERT[dialect], values)
        recipient = (new_email or user.email) if user else None
        # A browser does not send the fragment of a URL to servers, so no log shows it.
        link = f"{self.base_url.rstrip('/')}/account/{PAGES[purpose]}#{token}"
        await self.outbox.add(
            purpose, recipient, expires_at=expires_at, link=link, valid_for=valid_for
        )

    async def find(self, purpose: TokenPurpose, token: str) -> Row[Any]:
        """Look a token up without using it up. Raises `TokenInvalid`."""
        values = {"token_hash": digest(token), "purpose": purpose, "now": utc_now()}
        found = await self.read.one_or_none(SELECT_TOKEN, values)
        if found is None or found.password_fingerprint != fingerprint(
            found.chosen_hash or found.password_hash
        ):
            raise TokenInvalid
        return found

    async def redeem(self, found: Row[Any]) -> User:
        """Use up a token from `find`. Raises `TokenInvalid` if it was used meanwhile.

        Every change of a user locks the row of the user first. Transactions that lock
        rows in different orders could deadlock.
        """
        user = await self.session.scalar(
            select(User)
            .where(
                User.id == found.user_id,
                User.is_active,
                User.email == found.email,
                User.password_hash == found.password_hash,
            )
            .with_for_update()
        )
        used = await self.session.scalar(
            delete(OneTimeToken)
            .where(TOKEN.token_hash == found.token_hash, TOKEN.expires_at > utc_now())
            .returning(TOKEN.user_id)
        )
        if user is None or used is None:
            raise TokenInvalid
        return user


async def forget_links(session: AsyncSession, user_id: UUID) -> None:
    """Invalidate every link that was mailed to a user."""
    await session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id))


def fingerprint(password_hash: str) -> bytes:
    """Return a value that changes when the password hash of the user changes."""
    return hashlib.sha256(password_hash.encode()).digest()[:8]
