from typing import Annotated

from fastapi import Depends, Query

from app.api.authentication import caller_with
from app.api.dependencies import StateDep
from app.api.errors import documented
from app.api.routes import api_router
from app.core.tokens.cursor import CursorInvalid
from app.schemas.audit import AuditEventRead, AuditQuery, SecurityEvent
from app.schemas.page import Page, PageParameters
from app.services.accounts.principal import Principal
from app.services.audit import AuditTrail
from app.services.listing import RowPage


async def get_audit_trail(state: StateDep) -> AuditTrail:
    return AuditTrail(state.database.replica, state.cursors)


AuditTrailDep = Annotated[AuditTrail, Depends(get_audit_trail)]
AccountReader = Annotated[Principal, caller_with("account:read")]
AuditReader = Annotated[Principal, caller_with("audit:read")]

router = api_router(
    tags=["audit"],
    about="Security events: logins, changes of accounts, refused access.",
    responses=documented(CursorInvalid),
)


@router.get("/users/me/security-events", response_model=Page[SecurityEvent])
async def list_security_events(
    user: AccountReader, audit: AuditTrailDep, query: Annotated[PageParameters, Query()]
) -> RowPage:
    """List the security events of your account, newest first."""
    return await audit.page_of(user.user_id, query)


@router.get("/audit-events", response_model=Page[AuditEventRead])
async def list_audit_events(
    _: AuditReader, audit: AuditTrailDep, query: Annotated[AuditQuery, Query()]
) -> RowPage:
    """List the security events of all accounts, newest first."""
    return await audit.page(query)
