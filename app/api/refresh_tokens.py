"""Where refresh and logout find the refresh token of the client."""

from typing import Annotated

from fastapi import Depends
from pydantic import MISSING
from starlette.requests import Request

from app.api import browser_sessions
from app.core.errors import InvalidRequest
from app.schemas.auth import RefreshRequest

NO_TOKEN = RefreshRequest()


async def find_refresh_token(
    request: Request, data: RefreshRequest = NO_TOKEN
) -> str | None:
    """Return None if the request has no refresh token, or no body at all."""
    token = data.refresh_token
    token = browser_sessions.or_cookie(request, token)
    return None if token is MISSING else token


async def get_refresh_token(request: Request, data: RefreshRequest) -> str:
    token = await find_refresh_token(request, data)
    if token is None:
        fault = {
            "pointer": "#/refresh_token",
            "code": "missing",
            "message": "Field required",
        }
        raise InvalidRequest("The request does not match the schema.", [fault])
    return token


RefreshTokenDep = Annotated[str, Depends(get_refresh_token)]
