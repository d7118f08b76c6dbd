"""Who is calling, and whether they may."""

from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from app.api.rate_limits import count_with
from app.core.errors import Forbidden, Unauthorized, Unavailable
from app.core.rate_limit import Hit
from app.core.request_context import current_request
from app.services.accounts.principal import Principal
from app.services.audit import record_alone
from app.state import Resources


class InsufficientScope(Forbidden):
    """The caller's role does not allow this."""

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            "Your role does not allow this.", {"WWW-Authenticate": challenge}
        )


CALLER = "app.caller"
BearerDep = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, bearerFormat="JWT")),
]


async def find_caller(bearer: BearerDep, request: Request) -> Principal | None:
    """Nobody without a token; a token that is no good is refused, not ignored."""
    if CALLER in request.scope:  # FastAPI asks anew for each set of scopes
        return request.scope[CALLER]  # type: ignore[no-any-return]
    resources: Resources = request.app.state.resources
    caller = None
    try:
        if bearer is not None:
            caller = await resources.authenticator.authenticate(bearer.credentials)
    finally:  # whoever guesses at tokens is counted, too
        await count_with(caller, request)
    if caller and (context := current_request()):
        context.caller_id, context.session_id = caller.user_id, caller.session_id
        context.log_fields["user_id"] = str(caller.user_id)
    request.scope[CALLER] = caller
    return caller


VisitorDep = Annotated[Principal | None, Depends(find_caller)]


async def authorize(
    required: SecurityScopes, caller: VisitorDep, request: Request
) -> Principal:
    if caller is None:
        raise Unauthorized("Send an access token as `Authorization: Bearer`.")
    if not caller.scopes.issuperset(required.scopes):
        await record_denial(request.app.state.resources, caller, required.scope_str)
        raise InsufficientScope(required.scope_str)
    return caller


async def authorize_fresh(
    caller: Annotated[Principal, Depends(authorize)],
) -> Principal:
    """For what a stolen token must not do: the password was given a moment ago."""
    caller.require_fresh()
    return caller


async def record_denial(resources: Resources, caller: Principal, scope: str) -> None:
    # Sampled: nobody fills the disk by asking again. Denied is denied, recorded or not.
    hit = Hit(resources.policies["denied-event"], str(caller.user_id))
    if (await resources.limiter.hit(hit)).allowed:
        with suppress(Unavailable):
            await record_alone(
                resources.database,
                "authz.denied",
                caller.user_id,
                outcome="failure",
                scope=scope,
            )
