"""Finds the caller of a request, and checks that the caller has the right scope."""

from contextlib import suppress
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.requests import HTTPConnection

from app.core.client_address import limiter_partition
from app.core.errors import AppError, Forbidden, Unauthorized, Unavailable
from app.core.logging import get_logger
from app.core.rate_limit.policy import Hit
from app.core.request_context import current_request
from app.core.tokens.access import InvalidAccessToken
from app.db.session import transaction
from app.services.accounts.principal import Principal
from app.services.accounts.roles import SCOPES
from app.services.audit import record
from app.state import AppState

log = get_logger(__name__)


class InsufficientScope(Forbidden):
    """The caller does not have the scope that this operation needs."""

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"You do not have the scope that this operation needs: {scope}.",
            {"WWW-Authenticate": challenge},
        )


class MfaRequired(Forbidden):
    """The caller's role needs a second factor, and this session has not given one.

    Add a factor to the account. If the account has one, give it at
    `/auth/reauthenticate`.
    """

    code = "mfa_required"
    detail = (
        "Your role needs a second factor. Add one to your account, or give it at "
        "/auth/reauthenticate."
    )
    # RFC 9470 §3 uses 401. This class uses 403, because a 401 makes clients refresh,
    # and a new token of the same session has no second factor either.
    headers = MappingProxyType(
        {
            "WWW-Authenticate": 'Bearer realm="api", '
            'error="insufficient_user_authentication", acr_values="aal2"'
        }
    )


CALLER = "app.caller"


class CallerScheme(HTTPBearer):
    """The security scheme of the OpenAPI document.

    As a dependency, it returns the caller that `identify` has found. The route calls
    `identify` before it runs any dependency.
    """

    async def __call__(self, request: HTTPConnection) -> Any:
        return request.scope[CALLER]

    async def read(
        self, request: HTTPConnection
    ) -> HTTPAuthorizationCredentials | None:
        return await super().__call__(request)


get_caller = CallerScheme(
    scheme_name="HTTPBearer", auto_error=False, bearerFormat="JWT"
)
VisitorDep = Annotated[Principal | None, Depends(get_caller)]


async def identify(request: Request) -> tuple[Principal | None, AppError | None]:
    """Return the caller of the access token, or the reason to refuse the request.

    Return neither for a request without a token. The route counts the request before it
    raises the refusal, so that guessed tokens are counted, too.
    """
    state: AppState = request.app.state.shared
    caller = None
    bearer = await get_caller.read(request)
    if bearer is not None:
        try:
            caller = await state.authenticator.authenticate(bearer.credentials)
        except AppError as refusal:
            if isinstance(refusal, InvalidAccessToken):
                await log_refused_token(state, refusal.reason)
            return None, refusal
    if caller and state.authenticator.required.begins(caller):
        await begin_grace(state, caller)
    if caller and (context := current_request()):
        context.caller_id = caller.user_id
        context.log_fields["user_id"] = str(caller.user_id)
        name, credential_id = f"{caller.credential}_id", caller.credential_id
        context.log_fields[name] = str(credential_id)
        if caller.credential == "session":
            context.session_id = credential_id
        else:
            context.audit_detail[name] = str(credential_id)
    request.scope[CALLER] = caller
    return caller, None


async def authorize(
    required: SecurityScopes, caller: VisitorDep, request: Request
) -> Principal:
    if caller is None:
        raise Unauthorized("Send an access token as `Authorization: Bearer`.")
    if not caller.scopes.issuperset(required.scopes):
        await record_denial(request.app.state.shared, caller, required.scope_str)
        if caller.factor_is_overdue and SCOPES[caller.role].issuperset(required.scopes):
            raise MfaRequired
        raise InsufficientScope(required.scope_str)
    return caller


async def authorize_fresh(
    caller: Annotated[Principal, Depends(authorize)],
) -> Principal:
    """Admit only a caller who has logged in or reauthenticated recently (`FRESH`).

    Use this dependency for changes that a stolen access token must not allow.
    """
    caller.require_fresh()
    return caller


async def authorize_factor(
    caller: Annotated[Principal, Depends(authorize)],
) -> Principal:
    """Admit only a caller who has given a second factor recently (`FRESH`).

    If the account has no second factor, a recent login or reauthentication is enough.
    Use this dependency for changes of the factors themselves.
    """
    caller.require_fresh_factor()
    return caller


def caller_with(scope: str, *, fresh: bool = False, factor: bool = False) -> Any:
    """Declare the scope that an endpoint needs, as `Annotated[Principal, …]`."""
    strict = authorize_factor if factor else authorize_fresh
    return Security(strict if fresh or factor else authorize, scopes=[scope])


async def begin_grace(state: AppState, caller: Principal) -> None:
    with suppress(Unavailable):
        async with transaction(state.database) as session:
            await state.authenticator.required.begin_grace(session, caller.user)


async def log_refused_token(state: AppState, reason: str) -> None:
    # Limit the log lines for each client address, because anyone can send invalid
    # tokens.
    context = current_request()
    address = context.client_address if context else ""
    hit = Hit(state.policies["refused-token-event"], limiter_partition(address))
    if (await state.limiter.hit(hit)).allowed:
        log.info("auth.token.refused", reason=reason, client_ip=address)


async def record_denial(state: AppState, caller: Principal, scope: str) -> None:
    # Limit the records for each caller, so that repeated requests do not fill the disk.
    hit = Hit(state.policies["denied-event"], str(caller.user_id))
    if (await state.limiter.hit(hit)).allowed:
        subject = caller.user_id
        with suppress(Unavailable):
            async with transaction(state.database) as session:
                record(session, "authz.denied", subject, outcome="failure", scope=scope)
