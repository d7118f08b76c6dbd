"""Reading, listing, adding, changing and deleting accounts."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, String, bindparam, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.email_address import parse_email
from app.core.errors import Conflict, NotFound
from app.core.preconditions import ExpectedVersion
from app.core.tokens.cursor import CursorSigner
from app.db.models.one_time_token import OneTimeToken
from app.db.models.user import Role, User
from app.db.reads import ReadSession
from app.db.together import Keyed
from app.schemas.user import ProfileUpdate, UserQuery, UserRegister, UserUpdate
from app.services.accounts.credentials import revoke_credentials
from app.services.accounts.one_time_links import forget_links
from app.services.accounts.sessions import revoke_sessions
from app.services.audit import erase_origin, record
from app.services.listing import Listing, Order, RowPage
from app.services.mail.outbox import Outbox, forget_recipients


class UserNotFound(NotFound):
    """No user has this id."""

    code = "user_not_found"
    detail = "No user has this id."


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code = "email_taken"
    detail = "Another account has this e-mail address."


class LastAdmin(Conflict):
    """After this change, no administrator could log in."""

    code = "last_admin"
    detail = "First give the role admin to another user who can log in."


USER = User.__table__.c
PATTERN = func.lower(bindparam("q", type_=String))
USERS = Listing(
    select(*USER),
    Order(USER.created_at, USER.id, descending=True),
    {
        "q": or_(
            USER.email_canonical.like(PATTERN, escape="\\"),
            func.lower(USER.full_name).like(PATTERN, escape="\\"),
        ),
        "role": USER.role == bindparam("role"),
        "is_active": USER.is_active == bindparam("is_active"),
    },
    name="users",
)
USERS_BY_ID = Keyed(select(*USER), USER.id)
ANY_VERSION = ExpectedVersion(None)


def containing(text: str) -> str:
    """Return a LIKE pattern that finds the text literally, at any place."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


@dataclass(frozen=True, slots=True)
class UserDirectory:
    read: ReadSession
    cursors: CursorSigner

    async def get(self, user_id: UUID) -> Row[Any]:
        user = await self.read.by_key(USERS_BY_ID, user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, query: UserQuery) -> RowPage:
        pattern = containing(query.q) if query.q else None
        return await USERS.page(self.read, self.cursors, query, q=pattern)


@dataclass(frozen=True, slots=True)
class UserService:
    """Changes users. All effects of a change happen in the same transaction."""

    session: AsyncSession
    outbox: Outbox
    must_verify: bool = field(kw_only=True)  # whether a login needs a verified address

    async def add(
        self, data: UserRegister, password_hash: str, *, verified: bool
    ) -> User:
        fields = data.model_dump(exclude={"email", "password"})
        identity = parse_email(data.email)
        user = User(
            email=identity.email,
            email_canonical=identity.canonical,
            password_hash=password_hash,
            email_verified=verified,
            **fields,
        )
        self.session.add(user)
        try:
            await self.session.flush()
        except IntegrityError as error:
            # The e-mail address is the only unique column of a new user.
            raise EmailTaken from error
        record(self.session, "account.registered", user.id, role=user.role)
        if _administers(user):
            await self._tell_admins(user)
        return user

    async def update(
        self, user_id: UUID, data: ProfileUpdate, expected: ExpectedVersion
    ) -> User:
        """Change the fields that are set.

        A `UserUpdate` can take rights away, so in this case lock the administrators
        first.
        """
        admins = await self._lock_admins() if isinstance(data, UserUpdate) else set()
        user = await self.lock(user_id, expected)
        role, was_active, was_admin = user.role, user.is_active, _administers(user)
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
        if was_admin and not _administers(user) and admins <= {user_id}:
            raise LastAdmin
        await self.session.flush()
        if user.role != role:
            record(
                self.session, "account.role.changed", user_id, old=role, new=user.role
            )
        if user.is_active and not was_active:
            record(self.session, "account.enabled", user_id)
        if was_active and not user.is_active:
            record(self.session, "account.disabled", user_id)
            await revoke_sessions(self.session, user_id, "disabled")
            await revoke_credentials(self.session, user_id, "disabled")
            await forget_links(self.session, user_id)
        if _administers(user) and not was_admin:
            await self._tell_admins(user)
        return user

    async def end_sessions(self, user_id: UUID) -> None:
        """End every session of a user. The password stays the same."""
        await self.lock(user_id)
        await revoke_sessions(self.session, user_id, "admin")
        record(self.session, "session.all_revoked", user_id, kept_current=False)

    async def delete(self, user_id: UUID, expected: ExpectedVersion) -> None:
        admins = await self._lock_admins()
        user = await self.lock(user_id, expected)
        if _administers(user) and admins <= {user_id}:
            raise LastAdmin
        new_address = OneTimeToken.new_email
        pending = await self.session.scalars(
            select(new_address).where(
                OneTimeToken.user_id == user_id, new_address.is_not(None)
            )
        )
        await forget_recipients(self.session, [user.email, *pending])
        await self.session.delete(user)
        record(self.session, "account.deleted", user_id)
        await self.session.flush()
        await erase_origin(self.session, user_id)

    async def lock(
        self, user_id: UUID, expected: ExpectedVersion = ANY_VERSION
    ) -> User:
        user = await self.session.get(User, user_id, with_for_update=True)
        if user is None:
            raise UserNotFound
        expected.check(user.version)
        return user

    async def _lock_admins(self) -> set[UUID]:
        """Lock all active administrators in the order of their ids.

        Call this before any other user is locked. Otherwise two administrators who
        demote each other at the same time would each see that one administrator
        remains, or their transactions would deadlock. Return the ids of those who can
        log in.
        """
        admins = await self.session.execute(
            select(User.id, User.email_verified)
            .where(User.role == Role.ADMIN, User.is_active)
            .order_by(User.id)
            .with_for_update()
        )
        return {id_ for id_, verified in admins if verified or not self.must_verify}

    async def _tell_admins(self, added: User) -> None:
        """Mail the other administrators.

        They can then notice an administrator whom the thief of a token has added.
        """
        addresses = await self.session.scalars(
            select(User.email).where(
                User.role == Role.ADMIN, User.is_active, User.id != added.id
            )
        )
        for address in addresses.all():
            await self.outbox.add("admin_added", address, user_id=str(added.id))


def _administers(user: User) -> bool:
    return user.is_active and user.role == Role.ADMIN
