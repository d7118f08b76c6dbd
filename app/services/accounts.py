"""What people do with their own account."""

from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.errors import Forbidden
from app.core.password_policy import check_password
from app.core.passwords import PasswordHasher
from app.db.models import User
from app.db.session import ReadSession
from app.schemas.user import UserRegister
from app.services.auth import InvalidCredentials
from app.services.sessions import USER
from app.services.users import UserService

SELECT_PASSWORD = select(USER.password_hash).where(USER.id == bindparam("id"))


class RegistrationClosed(Forbidden):
    """Accounts are created by administrators only."""

    code = "registration_closed"


class AccountService:
    """Accounts from registration to deletion.

    Passwords are hashed before the transaction begins, which holds a connection.
    """

    def __init__(
        self,
        session: AsyncSession,
        read: ReadSession,
        settings: SecuritySettings,
        hasher: PasswordHasher,
    ) -> None:
        self.users = UserService(session)
        self.read = read
        self.settings = settings
        self.hasher = hasher

    async def register(self, data: UserRegister) -> User:
        if self.settings.registration == "closed":
            raise RegistrationClosed("Ask an administrator for an account.")
        return await self.create(data)

    async def create(self, data: UserRegister, *, verified: bool = False) -> User:
        local_part, _, domain = data.email.partition("@")
        check_password(
            data.password,
            min_length=self.settings.password_min_length,
            context=(self.settings.app_name, local_part, domain),
            pointer="#/password",
        )
        password_hash = await self.hasher.hash(data.password)
        return await self.users.add(data, password_hash, verified=verified)

    async def delete(self, user_id: UUID, password: str) -> None:
        user = await self.read.one_or_none(SELECT_PASSWORD, {"id": user_id})
        password_hash = user.password_hash if user else None
        if not (await self.hasher.verify(password, password_hash)).ok:
            raise InvalidCredentials
        await self.users.delete(user_id)
