"""Where refresh and logout find the refresh token of the client."""

from typing import Annotated

from fastapi import Depends
from pydantic import MISSING
from starlette.requests import Request

from app.api import browser_sessions
from app.core.errors import InvalidRequest
from app.schemas.auth import RefreshRequest


async def get_refresh_token(request: Request, data: RefreshRequest) -> str:
    token = data.refresh_token
    token = browser_sessions.or_cookie(request, token)
    if token is MISSING:
        fault = {
            "pointer": "#/refresh_token",
            "code": "missing",
            "message": "Field required",
        }
        raise InvalidRequest("The request does not match the schema.", [fault])
    return token


RefreshTokenDep = Annotated[str, Depends(get_refresh_token)]
