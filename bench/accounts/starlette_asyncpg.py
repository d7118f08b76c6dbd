"""Accounts on Starlette."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.accounts.raw_asgi import find_caller
from bench.raw_endpoint import dumps


async def read_me(request: Request) -> Response:
    caller = await find_caller(request.state.pool, request.scope)
    if caller is None:
        return Response(status_code=401)
    return Response(dumps(dict(caller)), media_type="application/json")


ROUTES = [Route("/users/me", read_me)]
