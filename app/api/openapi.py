"""Completes the OpenAPI document with the errors that every operation can answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.authorization import PUBLIC
from app.api.errors import PROBLEM_SCHEMA, Problem, documented
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
from app.api.problems import PROBLEM_JSON
from app.core.errors import (
    AppError,
    DatabaseUnavailable,
    InvalidRequest,
    Overloaded,
    TooManyRequests,
)
from app.core.strict_json import BodyMalformed

EDGE = (
    HeaderDuplicated,
    HostInvalid,
    PathInvalid,
    HostNotAllowed,
    HeadersTooLarge,
    UriTooLong,
    TooManyRequests,
    InternalError,
    Overloaded,
    DatabaseUnavailable,
    DeadlineExceeded,
)
WITH_INPUT = (InvalidRequest,)
WITH_BODY = (BodyMalformed, UnsupportedMediaType, BodyTooLarge, RequestTimedOut)


def add_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` return the completed document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            _correct_parameters(operation)
            _correct_security(operation)
            _add_errors(operation)
    return document


def _correct_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        # A query or a header can be absent, but it cannot be null.
        match [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]:
            case [only]:
                del schema["anyOf"]
                schema.update(only)
        if parameter["name"] == "if-match" and "428" in operation["responses"]:
            parameter["required"] = True
        if parameter["name"] == "if-none-match":
            description = "The client already has this version."
            operation["responses"]["304"] = {"description": description}


def _correct_security(operation: dict[str, Any]) -> None:
    if PUBLIC in operation and "security" in operation:
        operation["security"].append({})  # the token is optional


def _add_errors(operation: dict[str, Any]) -> None:
    errors: tuple[type[AppError], ...] = EDGE
    responses = operation["responses"]
    if "422" in responses:
        errors += WITH_INPUT
        if responses["422"]["description"] == "Validation Error":  # FastAPI's own
            del responses["422"]
    if "requestBody" in operation:
        errors += WITH_BODY
    for status, response in documented(*errors).items():
        own = responses.setdefault(str(status), response)
        if own is not response and response["description"] not in own["description"]:
            own["description"] += "\n\n" + response["description"]
            own.setdefault("content", {}).setdefault(
                PROBLEM_JSON, {"schema": PROBLEM_SCHEMA}
            )
