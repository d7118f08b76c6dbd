"""Plans the calls of a route once, when the application starts.

FastAPI itself walks the tree of a route's dependencies again for each request. A plan
lists the calls of that walk, in the same order. If a route needs something that a plan
cannot do, FastAPI handles the route. See decision 13.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import params
from fastapi._compat import ModelField, Undefined
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import (
    Dependant,
    _get_cache_key,
    _get_oauth_scopes,
    _is_async_gen_callable,
    _is_coroutine_callable,
)
from fastapi.dependencies.utils import _solve_generator, request_body_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import (
    APIRoute,
    _effective_route_context_var,
    _extract_endpoint_context,
    serialize_response,
)
from fastapi.security import SecurityScopes
from fastapi.utils import is_body_allowed_for_status_code
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.api.parameters import Arguments, Faults, readers
from app.api.rows import row_writer

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Write = Callable[..., Coroutine[Any, Any, Response]]
JSON_TYPE = (b"content-type", b"application/json")


class Unplanned(Exception):
    """The route needs something that a plan cannot do."""


def make_draft() -> Response:
    """Make the object on which dependencies set a status or headers of the response."""
    draft = Response.__new__(Response)
    draft.status_code = draft.background = None  # type: ignore[assignment]
    draft.raw_headers = []
    return draft


class Step:
    """One call, and where its arguments come from: earlier steps and the request."""

    def __init__(self, dependant: Dependant, needs: list[tuple[str | None, int]]):
        self.dependant = dependant
        self.call: Callable[..., Any] = dependant.call  # type: ignore[assignment]
        self.is_generator = _is_async_gen_callable(self.call)
        if (
            not (self.is_generator or _is_coroutine_callable(self.call))
            or dependant.cookie_params
            or dependant.background_tasks_param_name
            or dependant.websocket_param_name
            or dependant.concurrency
        ):
            raise Unplanned
        self.needs = [number for _, number in needs]
        self.arguments = [(name, number) for name, number in needs if name]
        self.reads = readers(dependant)
        held = _get_oauth_scopes(dependant=dependant)
        given: list[tuple[str | None, Callable[..., Any]]] = [
            (dependant.request_param_name, lambda request, _: request),
            (dependant.http_connection_param_name, lambda request, _: request),
            (dependant.response_param_name, lambda _, draft: draft),
            (dependant.security_scopes_param_name, lambda *_: SecurityScopes([*held])),
        ]
        self.given = [(name, give) for name, give in given if name]

    async def enter(self, request: Request, arguments: Arguments) -> Any:
        """Run a generator to its `yield`. FastAPI runs the rest after the endpoint."""
        end = "function" if self.dependant.scope == "function" else "inner"
        return await _solve_generator(
            dependant=self.dependant,
            stack=request.scope[f"fastapi_{end}_astack"],
            sub_values=arguments,
            request=request,
        )


def effective(route: APIRoute) -> Any:
    """Return the route as a router includes it: each inclusion has its own handler."""
    context: Any = _effective_route_context_var.get()
    return context if context and context.original_route is route else route


def needs_fastapi(scope: Scope) -> bool:
    """Whether FastAPI must run the steps itself, for example to trace each of them."""
    own = scope.get("fastapi.telemetry")
    return own is not None and (own.span is None or own.tracer is not None)


def has_ends(dependant: Dependant) -> bool:
    """Whether a dependency has code after its `yield`, which needs FastAPI's stacks."""
    return _is_async_gen_callable(dependant.call) or any(
        map(has_ends, dependant.dependencies)
    )


def plan(route: APIRoute, fastapi: Handler) -> Handler:
    """Make a handler that answers as `fastapi` does, or return `fastapi` itself.

    The handler relies on `ApiRoute`, which has already parsed a JSON body.
    """
    here = effective(route)
    app, endpoint = here.dependency_overrides_provider, here.dependant
    if not getattr(app.state, "route_plans", True):
        return fastapi
    try:
        steps = _steps(endpoint, here.body_field)
    except Unplanned:
        return fastapi
    write, embed = writer(here), here._embed_body_fields

    def locate(request: Request) -> Any:
        """Return the endpoint and the path, for the message of an error."""
        where = _extract_endpoint_context(endpoint.call)
        mount = request.scope.get("root_path", "").rstrip("/")
        where["path"] = f"{request.method} {mount}{endpoint.path}"
        return where

    async def handle(request: Request) -> Response:
        if app.dependency_overrides or needs_fastapi(request.scope):
            return await fastapi(request)
        body: Any = Undefined
        if here.body_field is not None and await request.body():
            body = await request.json()
        draft = make_draft()
        result, faults = await _run(steps, request, draft, body, embed)
        if isinstance(result, Response):
            return result
        if faults:
            given, where = None if body is Undefined else body, locate(request)
            raise RequestValidationError(faults, body=given, endpoint_ctx=where)
        status = draft.status_code or here.status_code
        options = {"status_code": status} if status else {}
        response = await write(result, partial(locate, request), **options)
        if not is_body_allowed_for_status_code(response.status_code):
            response.body = b""
        response.raw_headers += draft.raw_headers
        return response

    return handle


async def _run(
    steps: list[Step], request: Request, draft: Response, body: Any, embed: bool
) -> tuple[Any, Faults]:
    """Return the endpoint's result, or the faults that prevented its call."""
    values: list[Any] = []
    failed: dict[int, Faults] = {}  # by the number of the step
    for step in steps:
        arguments = {name: values[number] for name, number in step.arguments}
        faults: Faults = []
        if failed:
            for number in step.needs:
                faults += failed.get(number, ())
        for read in step.reads:
            faults += read(request, arguments)
        if fields := step.dependant.body_params:
            found, wrong = await request_body_to_args(fields, body, embed)
            arguments.update(found)
            faults += wrong
        if faults:
            failed[len(values)] = faults
            values.append(None)
            continue
        for name, give in step.given:
            arguments[name] = give(request, draft)
        if step.is_generator:
            values.append(await step.enter(request, arguments))
        else:
            values.append(await step.call(**arguments))
    return values[-1], failed.get(len(steps) - 1, [])


def json_response(content: bytes, status_code: int = 200) -> Response:
    """Make the same response as `Response(content, …)`, with less work."""
    if not is_body_allowed_for_status_code(status_code):
        return Response(content, status_code, media_type="application/json")
    response = make_draft()
    response.status_code = status_code
    response.body = content
    length = b"%d" % len(content)
    response.raw_headers = [(b"content-length", length), JSON_TYPE]
    response.media_type = "application/json"
    return response


def writer(route: Any) -> Write:
    """Choose how the results of a route become responses."""
    kind = route.response_class
    is_default = isinstance(kind, DefaultPlaceholder)
    make: Callable[..., Response] = kind.value if is_default else kind
    if dumps := is_default and route.response_field is not None:
        make = json_response
    names = "include exclude by_alias exclude_unset exclude_defaults exclude_none"
    options = {name: getattr(route, f"response_model_{name}") for name in names.split()}
    options |= {"field": route.response_field, "dump_json": dumps}

    write_rows = row_writer(route.response_model) if dumps else None

    async def write(result: Any, locate: Callable[[], Any], **status: int) -> Response:
        content = write_rows(result) if write_rows else None
        if content is None:
            content = await serialize_response(
                response_content=result, endpoint_ctx=locate(), **options
            )
        return make(content, **status)

    return write


def _steps(endpoint: Dependant, body: ModelField | None) -> list[Step]:
    """List the calls in FastAPI's order. The last one is the endpoint."""
    is_form = body is not None and isinstance(body.field_info, params.Form)
    if is_form or _is_async_gen_callable(endpoint.call):
        raise Unplanned
    steps: list[Step] = []
    known: dict[Any, int] = {}

    def add(dependant: Dependant) -> int:
        # First add what the dependency needs, even if its own result is known: FastAPI
        # repeats each call with `use_cache=False`, also below a cached dependency.
        needs = [(each.name, add(each)) for each in dependant.dependencies]
        key = _get_cache_key(dependant=dependant)
        if dependant.use_cache and key in known:
            return known[key]
        steps.append(Step(dependant, needs))
        known.setdefault(key, len(steps) - 1)
        return len(steps) - 1

    add(endpoint)
    return steps
