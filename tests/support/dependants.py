"""Routes whose dependencies a test describes, and a record of their calls."""

import asyncio
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import SimpleNamespace
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Header,
    Query,
    Request,
    Response,
    Security,
)
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.security import SecurityScopes
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import Message

from app.api.errors import add_error_handlers
from app.api.routes import ApiRoute


class Data(BaseModel):
    size: int = 1


class Plain(BaseModel):
    """A query that a plan reads without preparation."""

    model_config = ConfigDict(extra="allow")
    limit: int = Field(1, ge=1)
    sort: str | None = Field(None, alias="max")


class Listed(BaseModel):
    """A query with a list, which FastAPI prepares."""

    model_config = ConfigDict(extra="forbid")
    tag: list[str] = []


class Answer(BaseModel):
    value: int
    note: str | None = None


Events = list[Any]
events: Events = []  # the calls and messages of the present request
NONE = Parameter.empty
PARAMETERS: dict[str, tuple[Any, Any]] = {
    "item": (int, NONE),  # in the path
    "needed": (int, NONE),
    "limit": (int, 3),
    "tags": (Annotated[list[str], Query()], ["a"]),
    "made": (Annotated[int, Query(default_factory=lambda: len(events))], NONE),
    "checked": (Annotated[int, Query(validate_default=True)], "7"),
    "plain": (Annotated[Plain, Query()], NONE),
    "listed": (Annotated[Listed, Query()], NONE),
    "unlisted": (Annotated[Listed, Query()], None),
    "x_mark": (Annotated[str | None, Header()], None),
    "x_lines": (Annotated[list[str] | None, Header()], None),
    "x_size": (Annotated[int, Header()], NONE),
    "x_kept": (Annotated[int, Header(alias="X_Kept")], 5),
    "cookie": (Annotated[str | None, Cookie()], None),
    "data": (Data, NONE),
    "more": (Annotated[Data | None, Body()], None),
    "request": (Request, NONE),
    "connection": (HTTPConnection, NONE),
    "response": (Response, NONE),
    "tasks": (BackgroundTasks, NONE),
    "scopes": (SecurityScopes, NONE),
}
QUERIES = {"needed", "limit", "tags", "made", "checked"}
RESPONSE = object()


@dataclass(frozen=True)
class Link:
    """A use of a dependency."""

    to: int
    use_cache: bool = True
    scopes: tuple[str, ...] = ()
    named: bool = True


@dataclass(frozen=True)
class Node:
    """A dependency, or the endpoint."""

    kind: str = "coroutine"
    parameters: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    raises: bool = False


@dataclass(frozen=True)
class Case:
    """Dependencies, each of which uses only earlier ones; the last is the endpoint."""

    nodes: tuple[Node, ...]
    path: str = "/1"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    options: tuple[tuple[str, Any], ...] = ()
    result: Any = 1
    overridden: bool = False


class Broken(Exception):
    """Raised by each node with `raises=True`."""


def function(number: int, node: Node, case: Case, made: list[Any]) -> Any:
    """Build a function with the signature that FastAPI reads."""
    *_, last = range(len(case.nodes))

    def begin(arguments: dict[str, Any]) -> Any:
        events.append((number, {key: told(arguments[key]) for key in arguments}))
        if "tags" in arguments:
            arguments["tags"].append("changed")
        if "response" in arguments:
            response = arguments["response"]
            response.headers.append("x-by", str(number))
            if number:
                response.status_code = (202, 204)[number % 2]
            response.set_cookie("by", str(number))
        if node.raises:
            raise Broken(number)
        if number == last:
            is_response = case.result is RESPONSE
            return Response(b"own", 203, {"x-own": "1"}) if is_response else case.result
        return number * 100 + len(events)

    async def coroutine(**arguments: Any) -> Any:
        return begin(arguments)

    async def generator(**arguments: Any) -> Any:
        value = begin(arguments)
        try:
            yield value
        except BaseException as error:
            events.append((number, "sees", repr(error)))
            raise
        finally:
            events.append((number, "ends"))

    kinds = {"coroutine": coroutine, "sync": lambda **arguments: begin(arguments)}
    call: Any = kinds.get(node.kind, generator)
    given = {name: PARAMETERS[name] for name in node.parameters}
    for position, link in enumerate(node.links):
        if link.named:
            kind = Annotated[Any, dependency(case, link, made)]
            given[f"from_{position}"] = kind, NONE
    call.__signature__ = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for name, (kind, default) in given.items()
        ]
    )
    return call


def dependency(case: Case, link: Link, made: list[Any]) -> Any:
    kind = case.nodes[link.to].kind
    scope: Any = kind if kind in ("function", "request") else None
    call, use_cache = made[link.to], link.use_cache
    if link.scopes:
        return Security(call, scopes=link.scopes, use_cache=use_cache)
    return Depends(call, use_cache=use_cache, scope=scope)


def told(value: Any) -> Any:
    """Describe an argument, so that those of two requests can be compared."""
    if isinstance(value, SecurityScopes):
        return value.scopes, value.scope_str
    if isinstance(value, Response):
        return type(value), value.status_code, list(value.raw_headers)
    if isinstance(value, (HTTPConnection, BackgroundTasks)):
        return type(value)
    return type(value), repr(value)


async def told_error(_: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    body = getattr(error, "body", None)
    path = getattr(error, "endpoint_path", None)
    return JSONResponse([type(error).__name__, repr(faults), repr(body), path], 555)


def handle(case: Case, *, planned: bool) -> Events:
    """Send the request of a case twice; return all calls and messages, in order."""
    events.clear()
    made: list[Any] = []
    for number, node in enumerate(case.nodes):
        made.append(function(number, node, case, made))
    unnamed = [link for link in case.nodes[-1].links if not link.named]
    options = {
        "dependencies": [dependency(case, link, made) for link in unnamed],
        "methods": ["POST"],
        **dict(case.options),
    }
    router = APIRouter(route_class=ApiRoute)
    router.add_api_route("/{item}", made[-1], **options)
    app = FastAPI()
    app.state.route_plans = planned
    app.state.shared = SimpleNamespace(policies={})  # without rate limits
    add_error_handlers(app)
    for error in (RequestValidationError, ResponseValidationError, Broken):
        app.add_exception_handler(error, told_error)
    app.include_router(router)
    if case.overridden:
        app.dependency_overrides[made[0]] = lambda: "overridden"
    for _ in range(2):
        asyncio.run(send(app, case))
    return [*events]


async def send(app: FastAPI, case: Case) -> None:
    headers = [(name.encode(), value.encode()) for name, value in case.headers]
    if case.body:
        headers.append((b"content-type", b"application/json"))
    scope = {
        "type": "http",
        "method": "POST",
        "path": case.path,
        "query_string": case.query.encode(),
        "headers": headers,
        "root_path": "",
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": case.body, "more_body": False}

    async def store(message: Message) -> None:
        events.append(dict(message))

    await app(scope, receive, store)
