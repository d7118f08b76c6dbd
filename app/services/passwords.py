"""Choosing a password: at first, another one, and after forgetting it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.email_address import parse_email
from app.core.password_policy import WeakPassword, check_password
from app.core.passwords import PasswordHasher, normalise
from app.db.models import TokenPurpose, User
from app.db.session import ReadSession
from app.schemas.auth import PasswordChange, PasswordReset, TokenPair
from app.services.account_quota import CHANGE_PASSWORD, FORGOT, AccountQuota, mailbox
from app.services.auth import AuthService, Client, InvalidCredentials
from app.services.mail.outbox import Outbox
from app.services.one_time_tokens import OneTimeTokens, forget_tokens
from app.services.sessions import USER, revoke_sessions

OWNER = (USER.id, USER.email, USER.password_hash, USER.email_verified)
SELECT_BY_ID = select(*OWNER).where(USER.id == bindparam("id"), USER.is_active)
SELECT_BY_EMAIL = select(*OWNER).where(
    USER.email_canonical == bindparam("email"), USER.is_active
)


class PasswordUnchanged(WeakPassword):
    """The new password is the current one."""

    def __init__(self) -> None:
        super().__init__(
            "#/new_password", "password_unchanged", "Choose another than the current."
        )


async def hash_chosen(
    password: str,
    email: str,
    *,
    settings: SecuritySettings,
    hasher: PasswordHasher,
    pointer: str = "#/password",
) -> str:
    """Hash a password if the policy accepts it for this address.

    Raises:
        WeakPassword: nothing has been hashed.
    """
    local_part, _, domain = email.partition("@")
    check_password(
        password,
        min_length=settings.password_min_length,
        context=(settings.app_name, local_part, domain),
        pointer=pointer,
    )
    return await hasher.hash(password)


async def find_owner(read: ReadSession, email: str) -> Row[Any] | None:
    """Who may be mailed about the account of an address, however it is written."""
    try:
        canonical = parse_email(email).canonical
    except ValueError:
        return None
    return await read.one_or_none(SELECT_BY_EMAIL, {"email": canonical})


class PasswordService:
    """Every change ends the sessions and the links that the old password allowed."""

    def __init__(
        self,
        session: AsyncSession,
        read: ReadSession,
        settings: SecuritySettings,
        hasher: PasswordHasher,
        tokens: OneTimeTokens,
        outbox: Outbox,
        quota: AccountQuota,
    ) -> None:
        self.session = session
        self.read = read
        self.settings = settings
        self.hasher = hasher
        self.tokens = tokens
        self.outbox = outbox
        self.quota = quota

    async def change(
        self, user_id: UUID, data: PasswordChange, auth: AuthService, client: Client
    ) -> TokenPair:
        """Also needs the current one: a stolen access token must not suffice."""
        await self.quota.take(CHANGE_PASSWORD, str(user_id))
        owner = await verify_owner(
            self.read, self.hasher, user_id, data.current_password
        )
        if normalise(data.new_password) == normalise(data.current_password):
            raise PasswordUnchanged
        password_hash = await self._hash(
            data.new_password, owner.email, "#/new_password"
        )
        user = await lock_owner(self.session, owner)
        await self._replace(user, password_hash, devices="every other device")
        return await auth.start(user, client)

    async def forget(self, email: str) -> None:
        """Mail a link to the owner of the address, if there is one."""
        await self.quota.take(FORGOT, mailbox(email))
        owner = await find_owner(self.read, email)
        await self.tokens.mail(TokenPurpose.RESET_PASSWORD, owner)

    async def reset(self, data: PasswordReset) -> None:
        found = await self.tokens.find(TokenPurpose.RESET_PASSWORD, data.token)
        password_hash = await self._hash(data.password, found.email, "#/password")
        user = await self.tokens.redeem(found)
        user.email_verified = True  # the link came to this address
        await self._replace(user, password_hash, devices="every device")

    async def _hash(self, password: str, email: str, pointer: str) -> str:
        return await hash_chosen(
            password,
            email,
            settings=self.settings,
            hasher=self.hasher,
            pointer=pointer,
        )

    async def _replace(self, user: User, password_hash: str, *, devices: str) -> None:
        user.password_hash = password_hash
        await self.session.flush()
        await revoke_sessions(self.session, user.id, "password")
        await forget_tokens(self.session, user.id)
        await self.outbox.add("password_changed", user.email, devices=devices)


async def verify_owner(
    read: ReadSession, hasher: PasswordHasher, user_id: UUID, password: str
) -> Row[Any]:
    """Whoever holds the access token must know the password as well.

    Raises:
        InvalidCredentials: they do not.
    """
    owner = await read.one_or_none(SELECT_BY_ID, {"id": user_id})
    password_hash = owner.password_hash if owner else None
    if not (await hasher.verify(password, password_hash)).ok or owner is None:
        raise InvalidCredentials
    return owner


async def lock_owner(session: AsyncSession, owner: Row[Any]) -> User:
    """The account as it was when its password was verified, or `InvalidCredentials`."""
    user = await session.scalar(
        select(User)
        .where(
            User.id == owner.id,
            User.password_hash == owner.password_hash,
            User.is_active,
        )
        .with_for_update()
    )
    if user is None:
        raise InvalidCredentials
    return user
