"""Logging in, and confirming the password before a dangerous change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Unauthorized
from app.core.passwords.hashing import Verification
from app.core.preconditions import ExpectedVersion
from app.core.tokens.access import InvalidAccessToken
from app.core.tokens.device import DeviceTokens
from app.db.models.user import User
from app.db.reads import ReadSession
from app.db.session import execute
from app.schemas.audit import EventName
from app.schemas.auth import Credentials, TokenPair
from app.schemas.second_factor import Reauthentication, SecondFactorRequired
from app.services.accounts.guesses import TooManyFailures
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.lookup import (
    COLUMNS,
    LOCK_UNCHANGED,
    SELECT_BY_ID,
    USER,
    find_account,
)
from app.services.accounts.principal import Principal
from app.services.accounts.sessions import Client, SessionStarter, revoke_session
from app.services.accounts.sign_in import SignIn
from app.services.accounts.users import UserService
from app.services.audit import describe, record, record_now


class InvalidCredentials(Unauthorized):
    """The e-mail address or the password is wrong."""

    code = "invalid_credentials"
    detail = "The e-mail address or the password is wrong."
    keeps_changes = True  # the audit event


@dataclass(slots=True)
class AuthService:
    """Checks the password of a caller.

    These methods use `session` only after they have checked the password. Hashing takes
    long, and a session in use holds a connection that other requests need.
    """

    session: AsyncSession
    read: ReadSession
    throttle: LoginThrottle
    devices: DeviceTokens
    starter: SessionStarter
    sign_in: SignIn
    users: UserService

    async def login(
        self, credentials: Credentials, client: Client, device_token: str | None
    ) -> tuple[TokenPair | SecondFactorRequired, str | None]:
        """Start a session, or ask for a second factor if the account has one.

        Return also the device token, or None while the second factor is missing. A
        caller who knows only the password must not get a device token, because each
        device token comes with new counters, and so with more guesses of codes.
        """
        account = await find_account(self.read, credentials.email)
        device_id = None
        if account is not None and device_token is not None:
            device_id = self.devices.find_device(
                device_token, account.id, account.password_hash
            )
        subject = account.id if account else None
        try:
            verified = await self.throttle.check_login(
                credentials.password,
                self._usable_hash(account),
                email=credentials.email,
                address=client.address,
                device_id=device_id,
            )
        except TooManyFailures:
            if await self.throttle.worth_recording(client.address):
                await self._record_failure(
                    "auth.login.throttled", subject, credentials.email
                )
            raise
        if account is None or not verified.ok:
            await self._record_failure("auth.login.failure", subject, credentials.email)
            raise InvalidCredentials
        user = await self.lock(account, verified.upgraded_hash)
        answer = await self.sign_in.complete(
            user,
            client,
            ("pwd",),
            device_id=device_id,
            known_device=device_id is not None,
        )
        if isinstance(answer, SecondFactorRequired):
            return answer, None
        return answer, self.devices.issue(user.id, user.password_hash, device_id)

    async def reauthenticate(
        self, caller: Principal, proof: Reauthentication, client: Client
    ) -> TokenPair:
        """Check the proof, and replace the session by a new one (ASVS 7.2.4)."""
        methods: Sequence[str] = ("pwd",)
        if proof.field == "password":
            user = await self.confirm(caller, proof.value)
        else:
            user, factor = await self.sign_in.confirm_with_factor(caller, proof, client)
            methods = factor.methods
        if not await revoke_session(self.session, caller.session_id, "replaced"):
            raise InvalidAccessToken  # another request has ended the session
        started = await self.starter.start(
            user.id,
            client,
            "auth.reauthentication.success",
            methods=methods,
            replaced=caller,
            replaces=str(caller.session_id),
        )
        return self.starter.tokens(started, user.role)

    async def delete_account(
        self,
        caller: Principal,
        password: str,
        expected: ExpectedVersion,
    ) -> None:
        # Do not call `lock` here: `users.delete` must lock the administrators first.
        await self.compare(caller, password)
        await self.users.delete(caller.user_id, expected)

    async def confirm(self, caller: Principal, password: str) -> Row[Any]:
        """Call `compare`, then `lock`, for callers that hash nothing in between."""
        account, verified = await self.compare(caller, password)
        return await self.lock(account, verified.upgraded_hash)

    async def compare(
        self, caller: Principal, password: str
    ) -> tuple[Row[Any], Verification]:
        """Check the password, and return the account as it was before the check.

        Raises:
            InvalidCredentials: The password is wrong. This is counted and recorded.
            TooManyFailures: A counter is full. The password was not checked.
        """
        account = await self.read.one_or_none(SELECT_BY_ID, {"id": caller.user_id})
        verified = await self.throttle.check_again(
            password,
            self._usable_hash(account),
            session_id=caller.session_id,
            email=caller.user.email,
        )
        if account is None or not verified.ok:
            record(
                self.session,
                "auth.reauthentication.failure",
                caller.user_id,
                outcome="failure",
            )
            raise InvalidCredentials
        return account, verified

    async def lock(
        self, account: Row[Any], upgraded_hash: str | None = None
    ) -> Row[Any]:
        """Lock the account, if it still has the password that was checked."""
        values = {"id": account.id, "hash": account.password_hash}
        found = await execute(self.session, LOCK_UNCHANGED, values)
        if not found or not self._admits(found[0]):
            raise InvalidCredentials
        user: Row[Any] = found[0]
        if upgraded_hash is None:
            return user
        record(self.session, "account.password.rehash", user.id)
        rehashed = await self.session.execute(
            update(User)
            .where(USER.id == user.id)
            .values(password_hash=upgraded_hash, version=USER.version + 1)
            .returning(*COLUMNS)
        )
        return rehashed.one()

    def _admits(self, user: Row[Any]) -> bool:
        """Whether the state of the account allows a login."""
        must_verify = self.starter.settings.registration == "verified"
        return bool(user.is_active) and (user.email_verified or not must_verify)

    def _usable_hash(self, account: Row[Any] | None) -> str | None:
        # The right password of a disabled or unverified account counts as a wrong one.
        if account is None or not self._admits(account):
            return None
        return str(account.password_hash)

    async def _record_failure(
        self, event: EventName, subject: UUID | None, email: str
    ) -> None:
        pseudonym = self.throttle.pseudonym(email)
        await record_now(
            self.session,
            describe(event, subject, outcome="failure", email_pseudonym=pseudonym),
        )
