"""The only route class of the application.

It runs the checks that every request must pass before its endpoint. `api_router()`
makes routers with this class. The application does not start with a route of another
class (`authorization.check_routes`), so that no author can forget a check.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from functools import cached_property
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, params
from fastapi._compat import field_annotation_is_sequence, lenient_issubclass, shared
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.api import browser_sessions
from app.api.authentication import get_caller, identify
from app.api.deprecation import deprecation_of
from app.api.errors import pointer
from app.api.idempotency import claim_key, once_only
from app.api.media_types import media_type_of
from app.api.rate_limits import Limited, count, limits_of
from app.api.route_plan import effective, has_ends, plan
from app.core.errors import InvalidRequest
from app.core.request_context import current_request
from app.core.strict_json import parse


def is_pydantic_v1_model_class(cls: Any) -> bool:
    """Replace FastAPI's function of this name, which imports pydantic.v1.

    The import would cost each worker 2 MiB, and 20 ms at its start.
    """
    v1 = sys.modules.get("pydantic.v1")
    return v1 is not None and lenient_issubclass(cls, v1.BaseModel)


shared.is_pydantic_v1_model_class = is_pydantic_v1_model_class


def api_router(
    prefix: str = "",
    *,
    tags: Collection[str],
    about: str = "",
    responses: dict[int | str, dict[str, Any]] | None = None,
) -> "ApiRouter":
    """Make a router whose routes have every protection of `ApiRoute`.

    The OpenAPI document shows `about` as the description of the router's tags. If
    several routers have the same tag, give `about` to only one of them.
    """
    router = ApiRouter(
        prefix=prefix, tags=list(tags), responses=responses, route_class=ApiRoute
    )
    router.about = about
    return router


class ApiRouter(APIRouter):
    about = ""


class StrictJSONRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            if not body:
                return None  # FastAPI says what is missing
            media_type_of(self, ("application/json",))
            self._json = parse(body, self.scope["route"].known_names)
        return self._json


class ApiRoute(APIRoute):
    """Handles a request in this order. Each step can refuse it.

    1. It authenticates the caller, if the endpoint asks for one.
    2. It counts the request under all limits of the route, in one call.
    3. It refuses repeated query parameters, and reads a JSON body strictly. It reads
       forms as FastAPI does.
    4. It runs the endpoint. If the endpoint is idempotent, it stores the answer under
       the client's key, or repeats the stored answer.
    5. `browser_sessions` moves a refresh token into a cookie if the client wants that.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get("status_code") == HTTPStatus.NO_CONTENT:
            options["response_class"] = Response  # has no media type to declare
        super().__init__(*args, **options)

    @cached_property
    def limits(self) -> list[Limited]:
        return limits_of(self.endpoint, self.methods or ())

    @cached_property
    def known_names(self) -> frozenset[str]:
        """The names of all parameters and of all fields of the body.

        An error must not repeat any other name, because a client can have sent a secret
        as a name.
        """
        names = {parameter.alias for parameter in get_flat_params(self.dependant)}
        if self.body_field is not None:
            body: Any = self.body_field.field_info.annotation
            names.update(member_names(TypeAdapter(body).json_schema()))
        return frozenset(names)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        here = effective(self)
        if here.dependency_overrides_provider is None:
            return not_included
        # FastAPI makes these objects again when it includes the route. Share them here,
        # because keeping both would cost each worker another MiB.
        for name in ("dependant", "body_field", "response_field", "response_fields"):
            setattr(self, name, getattr(here, name))
        fastapi = super().get_route_handler()
        answer = planned = plan(self, fastapi)
        answer = browser_sessions.in_cookie(self, answer)
        if depends_on(self.dependant, claim_key):
            answer = once_only(answer, streamed=self.body_field is None)
        has_caller = depends_on(self.dependant, get_caller)
        field = self.body_field
        has_json = field is not None and not isinstance(field.field_info, params.Form)
        deprecated = deprecation_of(self.endpoint)
        deprecation = [
            (name.lower().encode(), value.encode())
            for name, value in (deprecated.headers() if deprecated else ())
        ]
        repeatable = frozenset(
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if field_annotation_is_sequence(parameter.field_info.annotation)
        )

        async def handle(request: Request) -> Response:
            caller, refusal = await identify(request) if has_caller else (None, None)
            if deprecation and (context := current_request()):
                context.answer_headers += deprecation
            await count(self.limits, request, caller)
            if refusal is not None:
                raise refusal
            if request.scope["query_string"]:
                query = request.query_params
                refuse_repeated(query, repeatable, self.known_names)
            if has_json:
                request = StrictJSONRequest(request.scope, request.receive)
                # Parse the body before FastAPI does, because FastAPI would answer 400
                # to every error, even to a wrong media type, which needs a 415.
                await request.json()
            return await answer(request)

        if planned is not fastapi and not has_ends(here.dependant):
            here.direct_handler = handle  # `RouteIndex` calls `handle` directly
        return handle


async def not_included(_: Request) -> Response:
    raise RuntimeError("Include the router of this route in an application.")


def depends_on(dependant: Dependant, call: Callable[..., Any]) -> bool:
    return dependant.call is call or any(
        depends_on(each, call) for each in dependant.dependencies
    )


def member_names(schema: Any) -> Iterator[str]:
    """Yield the name of every property that a JSON Schema describes."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        yield from member_names(part)


def refuse_repeated(
    query: QueryParams, repeatable: Collection[str], known: Collection[str]
) -> None:
    """Refuse `?limit=1&limit=2`: some parsers use the first value, others the last."""
    items = query.multi_items()
    if len(items) == len(query):
        return
    given = Counter(name for name, _ in items)
    faults = [
        {
            "pointer": pointer(("query", name), known),
            "code": "repeated",
            "message": "The parameter must not be repeated.",
        }
        for name, times in given.items()
        if times > 1 and name not in repeatable
    ]
    if faults:
        raise InvalidRequest("The request does not match the schema.", faults)
