"""The errors of an operation: for each status the codes that it can have."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastapi.routing import RouteContext

from app.api.authentication import (
    InsufficientScope,
    MfaRequired,
    authorize,
    authorize_factor,
    authorize_fresh,
    get_caller,
)
from app.api.conditional_requests import (
    IfMatchInvalid,
    expected_version,
    required_version,
)
from app.api.errors import Refusals, described
from app.api.idempotency import IDEMPOTENCY, STORED_REFUSALS, claim_key
from app.api.media_types import UnsupportedMediaType
from app.api.middleware.body_limit import BodyTooLarge, RequestTimedOut
from app.api.middleware.deadline import DeadlineExceeded
from app.api.middleware.strict_http import (
    HeaderDuplicated,
    HeadersTooLarge,
    HostInvalid,
    HostNotAllowed,
    PathInvalid,
    UriTooLong,
)
from app.api.middleware.unhandled_errors import InternalError
from app.api.openapi import browser_sessions
from app.api.openapi.headers import header_references, limit_headers, limits_of, ref
from app.api.problems import PROBLEM_JSON, TYPE
from app.api.routes import depends_on
from app.core.errors import (
    AppError,
    DatabaseUnavailable,
    InvalidRequest,
    Overloaded,
    TooManyRequests,
    Unauthorized,
)
from app.core.preconditions import VersionRequired, VersionStale
from app.core.strict_json import BodyMalformed
from app.core.tokens.access import InvalidAccessToken
from app.services.accounts.guesses import TooManyFailures
from app.services.accounts.principal import (
    ReauthenticationRequired,
    SessionRequired,
    StepUpRequired,
)

Errors = tuple[type[AppError], ...]

BEFORE_ROUTE: Errors = (
    HeaderDuplicated,
    HostInvalid,
    PathInvalid,
    HostNotAllowed,
    HeadersTooLarge,
    UriTooLong,
)
EVERYWHERE: Errors = (
    *BEFORE_ROUTE,
    InvalidRequest,  # at least for a repeated query parameter
    InternalError,
    Overloaded,
    DatabaseUnavailable,
    DeadlineExceeded,
    BodyTooLarge,  # also where no body is expected
)
WITH_BODY: Errors = (
    BodyMalformed,
    UnsupportedMediaType,
    RequestTimedOut,
)
RAISED_BY: dict[Any, Errors] = {
    get_caller: (InvalidAccessToken,),
    authorize: (Unauthorized, InsufficientScope, MfaRequired),
    authorize_factor: (ReauthenticationRequired, SessionRequired, StepUpRequired),
    authorize_fresh: (ReauthenticationRequired, SessionRequired),
    expected_version: (IfMatchInvalid, VersionStale),
    required_version: (IfMatchInvalid, VersionStale, VersionRequired),
    claim_key: IDEMPOTENCY,
    **browser_sessions.RAISED_BY,
}
# Python 3.13 renamed these phrases. The document must not depend on the version of
# Python.
RENAMED = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
# Headers that an error sets when it is raised. Other headers are in its class.
SENT_LATER: dict[type[AppError], tuple[str, ...]] = {
    InsufficientScope: ("WWW-Authenticate",),
    **browser_sessions.SENT_LATER,
    TooManyRequests: ("Retry-After",),
    TooManyFailures: ("Retry-After",),
    UnsupportedMediaType: ("Accept", "Accept-Encoding"),
    VersionStale: ("ETag",),
}


def add_problems(
    operation: dict[str, Any], route: RouteContext, components: dict[str, Any]
) -> None:
    by_status: dict[int, dict[str, type[AppError]]] = defaultdict(dict)
    for error in errors_of(operation, route):
        by_status[error.status.value].setdefault(error.code, error)
        components["examples"].setdefault(error.code, {"value": example_of(error)})
    responses = operation["responses"]
    for status, found in by_status.items():
        errors = [found[code] for code in sorted(found)]
        response = response_of(errors, route)
        own = responses.get(str(status), {})
        if "application/json" in own.get("content", {}):
            own["description"] += "\n\n" + response["description"]
            own["content"] |= response["content"]
            own["headers"] = own.get("headers", {}) | response["headers"]
        else:
            responses[str(status)] = shared(errors, response, components)


def errors_of(operation: dict[str, Any], route: RouteContext) -> Iterator[Any]:
    for response in route.responses.values():
        if isinstance(response, Refusals):
            yield from response.errors
    for call, errors in RAISED_BY.items():
        if depends_on(route.dependant, call):
            yield from errors
    if "requestBody" in operation:
        yield from WITH_BODY
    if limits_of(route):
        yield TooManyRequests
    yield from EVERYWHERE


def response_of(errors: list[type[AppError]], route: RouteContext) -> dict[str, Any]:
    codes, status = [error.code for error in errors], errors[0].status.value
    # Repeat the type of `code`, because generators of clients merge only equal types.
    narrowed = {"code": {"type": "string", "enum": codes}}
    schema = {
        "allOf": [ref("schemas", "Problem"), {"type": "object", "properties": narrowed}]
    }
    examples = {code: ref("examples", code) for code in codes}
    names = [SENT_LATER.get(error, ()) for error in errors]
    headers = {*chain(*names, *(error.headers for error in errors))}
    if any(error not in BEFORE_ROUTE for error in errors):
        headers |= limit_headers(route)
    if status in STORED_REFUSALS and depends_on(route.dependant, claim_key):
        headers.add("Idempotent-Replayed")
    return {
        "description": described(errors),
        "headers": header_references(headers),
        "content": {PROBLEM_JSON: {"schema": schema, "examples": examples}},
    }


def shared(
    errors: list[type[AppError]], response: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    """Store the response once for all operations that have it, and refer to it.

    Its name comes from the codes that only some operations have. Without such a code
    its name is the phrase of the status.
    """
    special = [error.code for error in errors if error not in EVERYWHERE]
    words = "_or_".join(special) or phrase(errors[0])
    name = words.title().replace("_", "").replace(" ", "")
    content = response["content"][PROBLEM_JSON]
    components["schemas"][f"{name}Problem"] = content["schema"]
    content["schema"] = ref("schemas", f"{name}Problem")
    # A route without a limit has no headers of limits, so it keeps its own response.
    if components["responses"].setdefault(name, response) != response:
        return response
    return ref("responses", name)


def phrase(error: type[AppError]) -> str:
    return RENAMED.get(error.status, error.status.phrase)


def example_of(error: type[AppError]) -> dict[str, Any]:
    summary, *_ = (error.__doc__ or "").split("\n")
    example = {
        "type": TYPE.format(error.code),
        "title": phrase(error),
        "status": error.status.value,
        "detail": getattr(error, "detail", summary),
        "code": error.code,
        "request_id": "019a8f3e-5a70-7000-8000-000000000000",
    }
    if issubclass(error, InvalidRequest):
        fault = {"pointer": "#/name", "code": "missing", "message": "Field required"}
        example["errors"] = [fault]
    if issubclass(error, TooManyRequests):
        refusal = TooManyRequests(12, ["all"])
        example |= {"detail": refusal.detail, **refusal.members}
    return example
