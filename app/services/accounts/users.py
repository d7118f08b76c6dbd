"""Accounts as administrators see and change them."""

from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, String, bindparam, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.email_address import parse_email
from app.core.errors import Conflict, NotFound
from app.core.preconditions import ExpectedVersion
from app.core.tokens.cursor import CursorSigner
from app.db.models.user import Role, User
from app.db.session import ReadSession
from app.schemas.user import ProfileUpdate, UserQuery, UserRegister, UserUpdate
from app.services.accounts.one_time_links import forget_tokens
from app.services.accounts.principal import revoke_sessions
from app.services.audit import record
from app.services.listing import Order, RowPage, fetch_page


class UserNotFound(NotFound):
    """No such user."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code = "email_taken"


class LastAdmin(Conflict):
    """The last active administrator cannot be removed, demoted or deactivated."""

    code = "last_admin"


USER = User.__table__.c
PATTERN = func.lower(bindparam("q", type_=String))
FILTERS = {
    "q": or_(
        USER.email_canonical.like(PATTERN, escape="\\"),
        func.lower(USER.full_name).like(PATTERN, escape="\\"),
    ),
    "role": USER.role == bindparam("role"),
    "is_active": USER.is_active == bindparam("is_active"),
}
NEWEST_FIRST = Order(User.created_at, User.id, descending=True)
SELECT_ONE = select(*USER).where(USER.id == bindparam("id"))


@lru_cache(maxsize=64)
def select_page(filters: tuple[str, ...], *, continued: bool) -> Select[Any]:
    statement = select(*USER).where(*(FILTERS[name] for name in filters))
    return NEWEST_FIRST.apply(statement, continued=continued)


def containing(text: str) -> str:
    """A LIKE pattern in which the text stands for itself."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


class UserDirectory:
    """Users as they are read."""

    def __init__(self, read: ReadSession, cursors: CursorSigner) -> None:
        self.read = read
        self.cursors = cursors

    async def get(self, user_id: UUID) -> Row[Any]:
        user = await self.read.one_or_none(SELECT_ONE, {"id": user_id})
        if user is None:
            raise UserNotFound
        return user

    async def page(self, query: UserQuery) -> RowPage:
        values = query.model_dump(include=set(FILTERS), exclude_none=True)
        statement = select_page(tuple(values), continued=query.cursor is not None)
        if "q" in values:
            values["q"] = containing(values["q"])
        return await fetch_page(
            self.read,
            statement,
            NEWEST_FIRST,
            values,
            query,
            self.cursors,
            of="users",
        )


class UserService:
    """Changes to users, with what follows from them in the same transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

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
            # The address is the only thing about a new user that must be unique.
            raise EmailTaken("This e-mail address has an account.") from error
        record(self.session, "account.registered", user.id, role=user.role)
        return user

    async def update(
        self, user_id: UUID, data: ProfileUpdate, expected: ExpectedVersion
    ) -> User:
        """Change what `data` holds; a `UserUpdate` may take away rights."""
        admins = await self._lock_admins() if isinstance(data, UserUpdate) else set()
        user = await self._lock(user_id, expected)
        role, was_active = user.role, user.is_active
        for field, value in data.model_dump(exclude_unset=True).items():
            setattr(user, field, value)
        if admins == {user_id} and not (user.is_active and user.role == Role.ADMIN):
            raise LastAdmin("Make somebody else an administrator first.")
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
            await forget_tokens(self.session, user_id)
        return user

    async def delete(self, user_id: UUID, expected: ExpectedVersion) -> None:
        admins = await self._lock_admins()
        user = await self._lock(user_id, expected)
        if admins == {user_id}:
            raise LastAdmin("Make somebody else an administrator first.")
        await self.session.delete(user)
        record(self.session, "account.deleted", user_id)
        await self.session.flush()

    async def _lock(self, user_id: UUID, expected: ExpectedVersion) -> User:
        user = await self.session.get(User, user_id, with_for_update=True)
        if user is None:
            raise UserNotFound
        expected.check(user.version)
        return user

    async def _lock_admins(self) -> set[UUID]:
        """Hold every active administrator, before any other user, in one order.

        Two demotions at once would otherwise each see the other as the one who
        remains, or wait for each other for ever.
        """
        admins = await self.session.scalars(
            select(User.id)
            .where(User.role == Role.ADMIN, User.is_active)
            .order_by(User.id)
            .with_for_update()
        )
        return set(admins)
