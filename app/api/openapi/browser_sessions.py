"""Documents the cookie of browsers, where operations take or return a refresh token."""

from typing import Any

from fastapi.routing import RouteContext

from app.api.browser_sessions import (
    TRANSPORT,
    TRANSPORTS,
    AmbiguousCredentials,
    CsrfFailed,
    moves_token,
)
from app.api.refresh_tokens import find_refresh_token, get_refresh_token
from app.core.errors import AppError
from app.core.tokens.refresh import RefreshTokenInvalid

# The description of each header, and an example.
HEADERS = {
    "Clear-Site-Data": (
        "Deletes what this browser has stored for the service.",
        '"cache", "storage"',
    ),
    "Set-Cookie": (
        "The refresh token, if you sent `X-Token-Transport: cookie`.",
        "__Host-app_rt=app_rt_AZqPPlpw; HttpOnly; Max-Age=1209600; Path=/; "
        "SameSite=Strict; Secure",
    ),
}
RAISED_BY = dict.fromkeys(
    (find_refresh_token, get_refresh_token), (AmbiguousCredentials, CsrfFailed)
)
SENT_LATER: dict[type[AppError], tuple[str, ...]] = {
    RefreshTokenInvalid: ("Set-Cookie",)
}


def add_transport(operation: dict[str, Any], route: RouteContext) -> None:
    if moves_token(route):
        parameter = {
            "name": TRANSPORT.lower(),
            "in": "header",
            "required": False,
            "description": "`cookie`: the refresh token is in a cookie that no script "
            "can read. `body`: it is in the body.",
            "schema": {"type": "string", "enum": [*TRANSPORTS], "default": "body"},
        }
        operation.setdefault("parameters", []).append(parameter)


def headers_of(route: RouteContext, status: str) -> set[str]:
    """Return the names of the headers of a successful answer."""
    if not moves_token(route):
        return set()
    return {"Set-Cookie", "Clear-Site-Data"} if status == "204" else {"Set-Cookie"}
