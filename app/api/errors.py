"""Turns every error into a problem document (RFC 9457)."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.middleware.methods import MethodNotAllowed
from app.api.problems import PROBLEM_JSON, log_failure, problem_body, refusal_response
from app.api.rate_limits import EVERYTHING, count
from app.core.errors import (
    MOST_FAULTS,
    AppError,
    InvalidRequest,
    NotFound,
    json_pointer,
    known_parts,
    own_words,
)


class Fault(BaseModel):
    """One fault of the request."""

    pointer: str = Field(
        description="JSON Pointer into the body such as `#/name`, or the name of a "
        "parameter such as `query/limit`. If the service does not know a name in "
        "the request, the pointer ends at the object that contains this name.",
        examples=["#/name"],
    )
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["Field required"])
    line: int | None = Field(None, description="Line of an uploaded file.")


class Problem(BaseModel):
    """The form of every error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable code for programs.")
    request_id: str = Field(
        description="Identifies this request in the log. Quote it when you report a "
        "problem."
    )
    errors: list[Fault] | None = Field(None, max_length=MOST_FAULTS)


class Refusals(dict[str, Any]):
    """The errors with one status, as a response in the OpenAPI document."""

    def __init__(self, errors: Sequence[type[AppError]]) -> None:
        super().__init__(description=described(errors))
        self.errors = errors


def documented(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Describe `errors` for an endpoint's OpenAPI `responses`."""
    by_status: dict[int | str, list[type[AppError]]] = defaultdict(list)
    for error in errors:
        by_status[error.status.value].append(error)
    return {status: Refusals(errors) for status, errors in by_status.items()}


def described(errors: Iterable[type[AppError]]) -> str:
    return "\n\n".join(f"`{error.code}`: {getdoc(error)}" for error in errors)


def pointer(location: Sequence[str | int], known: Container[str]) -> str:
    """Write where a fault is. Leave out names that are not `known`."""
    source, *path = location
    if source == "body":
        return json_pointer(path, known)
    return "/".join(map(str, [source, *known_parts(path, known)]))


def invalid_request(request: Request, error: RequestValidationError) -> InvalidRequest:
    known = request.scope["route"].known_names
    faults = [
        {
            "pointer": pointer(fault["loc"], known),
            "code": fault["type"],
            "message": own_words(fault["msg"]),
        }
        for fault in error.errors()
    ]
    return InvalidRequest("The request does not match the schema.", faults)


async def render_app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101
    log_failure(error)
    return refusal_response(error)


async def render_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return refusal_response(invalid_request(request, error))


async def render_http_error(request: Request, error: Exception) -> Response:
    """Render errors of Starlette, such as 404 and 405, like those of this API."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return refusal_response(await _refusal_without_route(request, error))
    status = HTTPStatus(error.status_code)
    detail = status.description or status.phrase
    body = problem_body(status, status.name.lower(), detail)
    return Response(body, status.value, error.headers, PROBLEM_JSON)


async def _refusal_without_route(request: Request, error: HTTPException) -> AppError:
    try:
        await count([EVERYTHING], request, None)  # no route has counted the request
    except AppError as refusal:
        return refusal
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("No resource at this path.")
    return MethodNotAllowed(request.scope)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, render_app_error)
    app.add_exception_handler(RequestValidationError, render_validation_error)
    app.add_exception_handler(HTTPException, render_http_error)
