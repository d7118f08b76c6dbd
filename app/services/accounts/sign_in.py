"""The last step of every way to sign in, and of every change of these ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.schemas.audit import EventName
from app.schemas.auth import TokenPair
from app.services.accounts.principal import Principal
from app.services.accounts.sessions import Client, SessionStarter, revoke_sessions
from app.services.audit import record
from app.services.mail.outbox import Outbox


@dataclass(slots=True)
class SignIn:
    """Decides what a user gets who has proved who they are."""

    starter: SessionStarter

    async def complete(
        self, user: Row[Any], client: Client, methods: Sequence[str], **detail: Any
    ) -> TokenPair:
        """Start a session. The caller must have locked the row of the user.

        `methods` are those of RFC 8176 that the user has used, such as `pwd`. `detail`
        is for the audit event.
        """
        started = await self.starter.start(
            user.id, client, "auth.login.success", methods=methods, **detail
        )
        return self.starter.tokens(started, user.role)


@dataclass(slots=True)
class SignInChanges:
    """Tells the owner of an account about every new, changed or lost way to sign in."""

    session: AsyncSession
    outbox: Outbox

    async def announce(
        self, caller: Principal, event: EventName, change: str, **detail: Any
    ) -> None:
        """Record the event, mail the owner, and end the other sessions of the caller.

        `change` is a sentence of ours, such as "A passkey was added."
        """
        await revoke_sessions(
            self.session, caller.user_id, "sign_in", keep=caller.session_id
        )
        record(self.session, event, caller.user_id, **detail)
        await self.outbox.add("sign_in_changed", caller.user.email, change=change)
