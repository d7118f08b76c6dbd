"""Sessions of browsers: the refresh token is in a cookie that no script can read.

A client asks for the cookie by `X-Token-Transport: cookie`. `ApiRoute` moves the
refresh token of every answer into the cookie, also if a new way to sign in is added
later. Only refresh and logout read the cookie. `or_cookie` refuses the cookie if a page
of another site may have sent the request.
"""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, get_args

import orjson
from fastapi.routing import APIRoute, RouteContext
from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import BadRequest, Forbidden, InvalidRequest, Unauthorized
from app.core.request_context import current_request
from app.core.tokens.refresh import PREFIX
from app.schemas.auth import RefreshRequest, TokenPair

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

TRANSPORT = "X-Token-Transport"
TRANSPORTS = ("body", "cookie")
# Browsers accept a cookie with the prefix `__Host-` only over TLS or from localhost.
# The cookie must be for exactly this host and for all paths. Therefore a subdomain
# cannot set a cookie of this name.
COOKIE = f"__Host-{PREFIX.removesuffix('_')}"
ATTRIBUTES: dict[str, Any] = {
    "path": "/",
    "secure": True,
    "httponly": True,
    "samesite": "Strict",
}
TOOK_COOKIE = "app.took_cookie"


class CsrfFailed(Forbidden):
    """The request has the cookie of a session, but may come from another site."""

    code = "csrf_failed"
    detail = (
        f"Send `{TRANSPORT}: cookie`, from a page of this origin or of an origin in "
        "CORS_ALLOWED_ORIGINS."
    )


class AmbiguousCredentials(BadRequest):
    """The request has more than one refresh token."""

    code = "ambiguous_credentials"
    detail = "Send one refresh token: in the body, or in the cookie."


def answers_tokens(model: Any) -> bool:
    """Whether a response model is a pair of tokens, or a union that has one."""
    if isinstance(model, type) and issubclass(model, TokenPair):
        return True
    return any(map(answers_tokens, get_args(model)))


def moves_token(route: APIRoute | RouteContext) -> bool:
    """Whether the route takes or returns a refresh token."""
    field = route.body_field
    takes = field is not None and field.field_info.annotation is RefreshRequest
    return takes or answers_tokens(route.response_model)


def in_cookie(route: APIRoute, answer: Handler) -> Handler:
    """Let the client choose how the refresh token travels."""
    if not moves_token(route):
        return answer

    async def handle(request: Request) -> Response:
        transport = request.headers.get(TRANSPORT, "body")
        if transport not in TRANSPORTS:
            message = "The value must be `body` or `cookie`."
            pointer = f"header/{TRANSPORT.lower()}"
            fault = {"pointer": pointer, "code": "enum", "message": message}
            raise InvalidRequest("The request does not match the schema.", [fault])
        try:
            response = await answer(request)
        except Unauthorized:
            if TOOK_COOKIE in request.scope and (context := current_request()):
                expired = Response()
                expired.delete_cookie(COOKIE, **ATTRIBUTES)
                context.answer_headers.append(expired.raw_headers[-1])
            raise
        if transport == "cookie":
            _move(response, request)
        return response

    return handle


def _move(response: Response, request: Request) -> None:
    """Move the refresh token of an answer into the cookie."""
    if response.status_code == HTTPStatus.NO_CONTENT:  # only a logout has it
        response.delete_cookie(COOKIE, **ATTRIBUTES)
        # Do not send "cookies", because it would also delete the cookies of subdomains.
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return
    content = orjson.loads(response.body)
    token = content.pop("refresh_token", None)
    if token is None:  # a second factor is missing
        return
    response.body = orjson.dumps(content)
    response.headers["Content-Length"] = str(len(response.body))
    lifetime = request.app.state.shared.settings.session_idle_lifetime
    response.set_cookie(COOKIE, token, int(lifetime.total_seconds()), **ATTRIBUTES)


def or_cookie(request: Request, given: str | MISSING) -> str | MISSING:
    """Take the token from the body, or from the cookie if the body has none.

    If a client that asked for the cookie sends neither, return "", which is not a valid
    token.
    """
    cookies = _cookies(request)
    if len(cookies) + (given is not MISSING) > 1:
        raise AmbiguousCredentials
    by_cookie = request.headers.get(TRANSPORT) == "cookie"
    if not cookies:
        return "" if by_cookie and given is MISSING else given
    # The header forces a preflight, which only listed origins pass.
    origins = request.app.state.shared.settings.cors_allowed_origins
    if not by_cookie or not _is_trusted(request, origins):
        raise CsrfFailed
    request.scope[TOOK_COOKIE] = True
    return cookies[0]


def _cookies(request: Request) -> list[str]:
    """List every value of the cookie. Starlette would keep only the last one."""
    parts = "; ".join(request.headers.getlist("Cookie")).split(";")
    pairs = (part.strip().partition("=") for part in parts)
    return [value for name, _, value in pairs if name == COOKIE]


def _is_trusted(request: Request, origins: tuple[str, ...]) -> bool:
    """Whether the page that sends the request is ours, or of a listed origin."""
    headers = request.headers
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if site is None:  # an older browser, or a host without TLS
        own = f"{request.scope['scheme']}://{headers['Host']}"
        return origin == own or origin in origins
    return site == "same-origin" or (site != "none" and origin in origins)
