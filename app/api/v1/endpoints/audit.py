from typing import Annotated

from fastapi import APIRouter, Query

from app.api.authentication import InsufficientScope
from app.api.dependencies import AuditReader, AuditTrailDep, CurrentUser
from app.api.errors import documented
from app.api.routes import StrictJSONRoute
from app.core.errors import Unauthorized
from app.core.tokens.cursor import CursorInvalid
from app.schemas.audit import AuditEventRead, AuditQuery, SecurityEvent
from app.schemas.page import Page, PageParameters
from app.services.listing import RowPage

router = APIRouter(
    tags=["audit"],
    route_class=StrictJSONRoute,
    responses=documented(Unauthorized, InsufficientScope, CursorInvalid),
)


@router.get("/users/me/security-events", response_model=Page[SecurityEvent])
async def list_security_events(
    user: CurrentUser, audit: AuditTrailDep, query: Annotated[PageParameters, Query()]
) -> RowPage:
    """List what happened to your account, newest first."""
    return await audit.page_of(user.user_id, query)


@router.get("/audit-events", response_model=Page[AuditEventRead])
async def list_audit_events(
    _: AuditReader, audit: AuditTrailDep, query: Annotated[AuditQuery, Query()]
) -> RowPage:
    """List what happened to every account, newest first."""
    return await audit.page(query)
