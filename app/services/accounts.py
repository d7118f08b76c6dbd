"""How accounts come to be."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.errors import Forbidden
from app.core.password_policy import check_password
from app.core.passwords import PasswordHasher
from app.db.models import User
from app.db.session import ReadSession
from app.schemas.user import UserRegister
from app.services.users import UserService


class RegistrationClosed(Forbidden):
    """Accounts are created by administrators only."""

    code = "registration_closed"


class AccountService:
    """Makes accounts.

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
