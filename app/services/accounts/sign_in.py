"""The last step of every way to sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from app.schemas.auth import TokenPair
from app.services.accounts.sessions import Client, SessionStarter


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
