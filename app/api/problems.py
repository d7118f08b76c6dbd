"""The wire form of every error: a problem document (RFC 9457)."""

from http import HTTPStatus

import orjson
from starlette.responses import Response

from app.core.errors import AppError, TooManyRequests, explain
from app.core.logging import get_logger
from app.core.metrics import rate_limit_decisions
from app.core.request_context import current_request

PROBLEM_JSON = "application/problem+json"
TYPE = "/errors#{}"  # where the service explains the code

log = get_logger(__name__)


def problem_body(
    status: HTTPStatus, code: str, detail: str, **members: object
) -> bytes:
    problem: dict[str, object] = {
        "type": TYPE.format(code),
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    if request := current_request():
        problem["request_id"] = request.request_id
    return orjson.dumps(problem | members)


def refusal_response(error: AppError) -> Response:
    if request := current_request():
        request.log_fields["error_type"] = error.code
        if isinstance(error, TooManyRequests):
            for rule in error.violated:
                rate_limit_decisions.labels(rule, "refused").inc()
            request.log_fields["rate_limit"] = "refused"
            request.log_fields["rate_limit_violated"] = error.violated
    body = problem_body(error.status, error.code, error.detail, **error.members)
    return Response(body, error.status.value, error.headers, PROBLEM_JSON)


def log_failure(error: AppError) -> None:
    """Log why the service could not answer. Clients never see it."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning(
            "http.failed",
            status_code=error.status.value,
            code=error.code,
            **explain(error),
        )
