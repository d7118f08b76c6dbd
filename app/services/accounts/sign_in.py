"""The last step of every sign-in, and of every change of the ways to sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.tokens.access import InvalidAccessToken
from app.core.tokens.device import DeviceTokens
from app.schemas.audit import EventName
from app.schemas.auth import TokenPair
from app.schemas.second_factor import FactorAnswer, SecondFactorRequired, SecondStep
from app.services.accounts.assurance import AAL2, SecondFactor, assurance
from app.services.accounts.lookup import LOCK
from app.services.accounts.pending_logins import MfaFailed, PendingLogins
from app.services.accounts.principal import Principal
from app.services.accounts.second_factors import SecondFactors
from app.services.accounts.sessions import Client, SessionStarter, revoke_sessions
from app.services.audit import record
from app.services.mail.outbox import Outbox


@dataclass(slots=True)
class SignIn:
    """Starts the session of a user who has signed in, or asks for a second factor."""

    starter: SessionStarter
    pending: PendingLogins
    factors: SecondFactors
    devices: DeviceTokens

    async def complete(
        self,
        user: Row[Any],
        client: Client,
        methods: Sequence[str],
        *,
        device_id: bytes | None = None,
        **detail: Any,
    ) -> TokenPair | SecondFactorRequired:
        """Start a session, or ask for the second factor if the user has one.

        `user` is a row of `lookup.ACCOUNT`, which the caller has locked. `methods` are
        the values of RFC 8176 for what the user has proved, such as `pwd`. `device_id`
        is the id of a known device. `detail` is added to the audit event.
        """
        names = self.factors.of(user)
        if names and assurance(methods) != AAL2:
            token = await self.pending.begin(user, methods, device_id)
            return SecondFactorRequired(mfa_token=token, methods=names)
        started = await self.starter.start(
            user.id, client, "auth.login.success", methods=methods, **detail
        )
        return self.starter.tokens(started, user.role)

    async def complete_with_factor(
        self, answer: SecondStep, client: Client
    ) -> tuple[TokenPair, str]:
        """Start the session of a pending login. Return also the device token.

        Raises:
            MfaFailed: The answer is wrong, or the login is unknown or has ended. Wrong
                answers are counted and recorded.
            TooManyFailures: The answers were wrong too often.
        """
        pending = await self.pending.find(answer.mfa_token)
        factor = self.factors.by_field(answer.field)
        device = pending.device_id and pending.device_id.hex()

        async def compare() -> Row[Any] | None:
            user = await self.pending.lock(pending)
            return await self.factors.prove(
                factor, user, answer.value, pending.token_hash
            )

        user = await self.factors.throttle.check(
            compare, factor, pending.user_id, address=client.address, device=device
        )
        session, owner = self.starter.session, pending.user_id
        if user is None:
            record(session, "auth.mfa.failure", owner, outcome="failure")
            raise MfaFailed
        await self.pending.end(pending)
        record(session, "auth.mfa.success", owner, actor=owner, factor=factor.name)
        started = await self.starter.start(
            owner,
            client,
            "auth.login.success",
            methods=(*pending.amr.split(), *factor.methods),
            known_device=device is not None,
        )
        device_token = self.devices.issue(owner, user.password_hash, pending.device_id)
        return self.starter.tokens(started, user.role), device_token

    async def confirm_with_factor(
        self, caller: Principal, answer: FactorAnswer, client: Client
    ) -> tuple[Row[Any], SecondFactor]:
        """Check the answer of a caller who is logged in.

        Return the locked row of the user, and the factor.

        Raises:
            MfaFailed: The answer is wrong. The failure is counted and recorded.
            TooManyFailures: The answers were wrong too often.
        """
        session, factor = self.starter.session, self.factors.by_field(answer.field)

        async def compare() -> Row[Any] | None:
            user = (await session.execute(LOCK, {"id": caller.user_id})).one_or_none()
            if user is None:
                raise InvalidAccessToken  # another request has disabled the account
            return await self.factors.prove(
                factor, user, answer.value, caller.session_id.bytes
            )

        user = await self.factors.throttle.check(
            compare,
            factor,
            caller.user_id,
            address=client.address,
            device=f"session:{caller.session_id}",
        )
        if user is None:
            event: EventName = "auth.reauthentication.failure"
            record(session, event, caller.user_id, outcome="failure")
            raise MfaFailed
        return user, factor


@dataclass(slots=True)
class SignInChanges:
    """Tells the owner of an account about every new, changed or lost way to sign in."""

    session: AsyncSession
    outbox: Outbox

    async def announce(
        self, caller: Principal, event: EventName, change: str, **detail: Any
    ) -> None:
        """Record the event, mail the owner, and end the other sessions of the caller.

        `change` is a fixed sentence for the mail, for example "A factor was removed."
        """
        owner, keep = caller.user, caller.session_id
        await self.tell(owner.id, owner.email, event, change, keep=keep, **detail)

    async def tell(
        self,
        user_id: UUID,
        email: str,
        event: EventName,
        change: str,
        *,
        keep: UUID | None = None,
        **detail: Any,
    ) -> None:
        """Like `announce`, for a given user. End all sessions except `keep`."""
        await revoke_sessions(self.session, user_id, "sign_in", keep=keep)
        record(self.session, event, user_id, **detail)
        await self.outbox.add("sign_in_changed", email, change=change)
