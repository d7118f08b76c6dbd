"""What every route does before its endpoint: count, refuse doubt, read strictly."""

from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import params
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.api.authentication import find_caller
from app.api.media_types import media_type_of
from app.api.rate_limits import LEFT, count, limits_of
from app.core.errors import AppError, InvalidRequest
from app.core.strict_json import parse


class StrictJSONRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            if not body:
                return None  # FastAPI says what is missing
            media_type_of(self, ("application/json",))
            self._json = parse(body)
        return self._json


class StrictJSONRoute(APIRoute):
    """Counts a request, then reads it strictly: JSON, and queries that say it once.

    A form is read as ever.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get("status_code") == HTTPStatus.NO_CONTENT:
            options["response_class"] = Response  # which names no type of no content
        super().__init__(*args, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        limits = limits_of(self.methods or (), self.dependencies)
        waits = any(limit.needs_caller for limit in limits) and _finds_caller(
            self.dependant
        )
        field = self.body_field
        has_json = field is not None and not isinstance(field.field_info, params.Form)
        repeatable = frozenset(
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if field_annotation_is_sequence(parameter.field_info.annotation)
        )

        async def handle_strictly(request: Request) -> Response:
            if not waits:
                await count(limits, request, None)
            try:
                if request.scope["query_string"]:
                    refuse_repeated(request.query_params, repeatable)
                if has_json:
                    request = StrictJSONRequest(request.scope, request.receive)
                    # Here, since FastAPI turns what fails in its reading into a 400.
                    await request.json()
            except AppError:
                if waits:
                    await count(limits, request, None)
                raise
            if waits:
                request.scope[LEFT] = limits
            return await handle(request)

        return handle_strictly


def _finds_caller(dependant: Dependant) -> bool:
    return dependant.call is find_caller or any(
        map(_finds_caller, dependant.dependencies)
    )


def refuse_repeated(query: QueryParams, repeatable: Collection[str]) -> None:
    """Leave nobody to wonder which of two values counts."""
    given = Counter(name for name, _ in query.multi_items())
    faults = [
        {
            "pointer": f"query/{name}",
            "code": "repeated",
            "message": "The parameter may be there only once.",
        }
        for name, times in given.items()
        if times > 1 and name not in repeatable
    ]
    if faults:
        raise InvalidRequest("The request does not match the schema.", faults)
