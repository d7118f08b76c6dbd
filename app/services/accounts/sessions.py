"""The sessions of a user, as the user sees and ends them."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.tokens.cursor import CursorSigner
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.session import ReadSession
from app.schemas.page import PageParameters
from app.services.accounts.principal import (
    SESSION,
    UNEXPIRED,
    Principal,
    revoke_session,
    revoke_sessions,
)
from app.services.audit import record
from app.services.listing import Order, RowPage, fetch_page


class SessionNotFound(NotFound):
    """You have no such session."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("You have no such session.")


NEWEST_FIRST = Order(AuthSession.created_at, AuthSession.id, descending=True)
SELECT_OWN = select(
    SESSION.id,
    SESSION.last_ip.label("ip"),
    SESSION.user_agent,
    SESSION.created_at,
    SESSION.rotated_at.label("last_seen_at"),
    SESSION.expires_at,
    (SESSION.id == bindparam("current")).label("current"),
).where(SESSION.user_id == bindparam("user"), *UNEXPIRED)
SELECT_PAGE = {
    continued: NEWEST_FIRST.apply(SELECT_OWN, continued=continued)
    for continued in (False, True)
}


@dataclass(slots=True)
class SessionService:
    """Where somebody is logged in."""

    session: AsyncSession
    read: ReadSession
    cursors: CursorSigner

    async def page(self, caller: Principal, query: PageParameters) -> RowPage:
        values = {
            "user": caller.user_id,
            "current": caller.session_id,
            "now": utc_now(),
        }
        return await fetch_page(
            self.read,
            SELECT_PAGE[query.cursor is not None],
            NEWEST_FIRST,
            values,
            query,
            self.cursors,
            of=f"sessions of {caller.user_id}",
        )

    async def end(self, caller: Principal, session_id: UUID) -> None:
        ended = await revoke_session(
            self.session, session_id, "logout", user_id=caller.user_id
        )
        if not ended:
            raise SessionNotFound
        record(
            self.session,
            "session.revoked",
            caller.user_id,
            session_id=session_id,
            reason="logout",
        )

    async def end_all(self, caller: Principal, *, keep_current: bool) -> None:
        keep = caller.session_id if keep_current else None
        await revoke_sessions(self.session, caller.user_id, "logout_all", keep=keep)
        record(
            self.session,
            "session.all_revoked",
            caller.user_id,
            kept_current=keep_current,
        )
