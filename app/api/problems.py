"""The wire form of every error: a problem document (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import AppError, InvalidRequest, explain
from app.core.logging import get_logger
from app.core.request_context import current_request

PROBLEM_JSON = "application/problem+json"

log = get_logger(__name__)


def problem_body(
    *,
    status: HTTPStatus,
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    type_: str = "about:blank",
    title: str | None = None,
    **extensions: object,
) -> bytes:
    problem: dict[str, object] = {
        "type": type_,
        "title": title or status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    if request := current_request():
        problem["request_id"] = request.request_id
    if errors is not None:
        problem["errors"] = errors
    return orjson.dumps(problem | extensions)


def problem_response(
    *,
    status: HTTPStatus,
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    type_: str = "about:blank",
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extensions: object,
) -> Response:
    body = problem_body(
        status=status,
        code=code,
        detail=detail,
        errors=errors,
        type_=type_,
        title=title,
        **extensions,
    )
    return Response(body, status.value, headers, PROBLEM_JSON)


def refusal_response(error: AppError) -> Response:
    return problem_response(
        status=error.status,
        code=error.code,
        detail=error.detail,
        errors=error.errors if isinstance(error, InvalidRequest) else None,
        type_=error.type,
        title=error.title,
        headers=error.headers,
        **error.extensions,
    )


async def send_problem(
    scope: Scope, receive: Receive, send: Send, error: AppError
) -> None:
    """Answer with `error` from a middleware, where no exception handler listens."""
    await refusal_response(error)(scope, receive, send)


def log_failure(error: AppError) -> None:
    """Say in the log why the service could not answer, which no client is told."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning(
            "http.failed",
            status_code=error.status.value,
            code=error.code,
            **explain(error),
        )


def json_pointer(*parts: str | int) -> str:
    """Point into the request body, as `#/items/0/price` (RFC 6901 §6)."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "#" + "".join(f"/{quote(part, safe='~')}" for part in escaped)
