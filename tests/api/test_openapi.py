"""The OpenAPI document lists every status, and the media type of each error."""

from collections.abc import Iterator
from typing import Any

from app.core.errors import InvalidRequest
from reference.errors import errors
from tests.support.declared import document

PROBLEM = {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
}


def test_every_error_is_a_problem_document() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and (path, status) != (READY, "503"):
                    assert answer["content"] == PROBLEM, (method, path, status)
                    assert answer["description"], (method, path, status)


def test_every_operation_lists_the_errors_of_the_middleware() -> None:
    edge = {"400", "414", "421", "431", "500", "503", "504"}
    with_body = {"408", "413", "415"}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            expected = edge | (with_body if "requestBody" in operation else set())
            assert expected <= set(operation["responses"]), (method, path)


def test_every_code_has_one_meaning() -> None:
    """`errors` raises when two classes introduce the same code."""
    assert len(list(errors())) > 30


def test_every_422_names_the_invalid_field() -> None:
    """Mutant: an error with this status but without `errors` in its document."""
    refusals = [error for error in errors() if error.status == 422]

    assert len(refusals) > 2
    for refusal in refusals:
        assert issubclass(refusal, InvalidRequest), refusal


def test_every_pattern_has_a_maximum_length() -> None:
    """Mutant: state the length only in the pattern, where tools do not read it."""
    patterns = [each for each in schemas(document()) if "pattern" in each]

    assert len(patterns) > 2
    assert [each for each in patterns if "maxLength" not in each] == []


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas in a part of the document, at any depth."""
    if isinstance(part, dict):
        if part.get("type") == "string":
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from schemas(each)


READY = "/api/v1/health/ready"
