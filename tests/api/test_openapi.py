"""The OpenAPI document lists every status, and the media type of each error."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from app.api.openapi.examples import MISSING
from app.core.errors import InvalidRequest
from app.main import create_application
from reference.errors import errors
from tests.notes.served import NotesSettings
from tests.support.declared import document, resolved

PROBLEM = "application/problem+json"


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_error_is_a_problem_document() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and (path, status) != (READY, "503"):
                    answer = resolved(answer)
                    assert list(answer["content"]) == [PROBLEM], (method, path, status)
                    assert answer["description"], (method, path, status)


def test_every_operation_lists_the_errors_of_the_middleware() -> None:
    edge = {"400", "413", "414", "421", "431", "500", "503", "504"}
    with_body = {"408", "415"}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            expected = edge | (with_body if "requestBody" in operation else set())
            assert expected <= set(operation["responses"]), (method, path)


def test_every_error_response_names_its_codes() -> None:
    """Mutant: declare only the schema of all problems, which allows any code."""
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            if status < "400":
                continue
            content = resolved(answer)["content"][PROBLEM]
            base, narrowed = resolved(content["schema"])["allOf"]
            codes = narrowed["properties"]["code"]["enum"]
            assert base == {"$ref": "#/components/schemas/Problem"}
            assert codes, (name, status)
            for code in codes:
                example = resolved(content["examples"][code])["value"]
                assert (example["code"], example["status"]) == (code, int(status))


def test_errors_that_a_dependency_raises_need_no_declaration() -> None:
    """Mutant: list only the errors that the author of a route names."""
    patch = document()["paths"]["/api/v1/notes/{note_id}"]["patch"]["responses"]

    def codes(status: str) -> set[str]:
        return {*resolved(patch[status])["content"][PROBLEM]["examples"]}

    assert codes("401") == {"invalid_token", "unauthorized"}
    assert {"if_match_invalid", "body_malformed"} < codes("400")
    assert codes("428") == {"precondition_required"}


def test_if_match_is_required_where_a_request_without_it_is_refused() -> None:
    """Mutant: declare the parameter as optional, although the service answers 428."""
    for name, operation in operations():
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "if-match":
                assert parameter["required"] == ("428" in operation["responses"]), name


def test_shared_errors_are_declared_once() -> None:
    """Mutant: repeat the whole declaration of an error in every operation."""
    errors = [
        answer
        for _, operation in operations()
        for status, answer in operation["responses"].items()
        if status >= "400"
    ]

    assert sum("$ref" in answer for answer in errors) > 0.95 * len(errors)


def test_every_answer_has_its_headers() -> None:
    for name, operation in operations():
        for answer in operation["responses"].values():
            headers = resolved(answer)["headers"]
            assert "X-Request-ID" in headers, name
            limited = {"RateLimit", "RateLimit-Policy"} & {*headers}
            assert not (limited and "health" in name), name
    post = document()["paths"]["/api/v1/notes"]["post"]["responses"]
    added = {"ETag", "Idempotent-Replayed", "Location", "RateLimit"}
    assert added < {*post["201"]["headers"]}


def test_every_operation_says_who_may_call_it() -> None:
    """Mutant: leave out `security` of public operations, so that a default applies."""
    for name, operation in operations():
        security = operation["security"]
        assert ("x-public" in operation) == (security == [] or {} in security), name
        assert operation["description"], name


def test_every_tag_is_described() -> None:
    tags = [tag["name"] for tag in document()["tags"]]

    assert tags[0] == "auth"
    assert tags[-1] == "health"
    assert all(tag["description"] for tag in document()["tags"])
    assert {tag for _, each in operations() for tag in each["tags"]} == {*tags}


def test_every_body_has_an_example_that_its_schema_accepts() -> None:
    """Mutant: declare a text field without `examples`."""
    components = document()["components"]
    for name, schema in components["schemas"].items():
        for example in schema.get("examples", ()):
            assert MISSING not in repr(example), name
            complete = {**schema, "components": components}
            jsonschema_rs.validate(complete, example)
    bodies = [
        content
        for _, operation in operations()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in resolved(part).get("content", {}).values()
    ]
    for content in bodies:
        shown = resolved(content["schema"])
        parts = [resolved(each) for each in shown.get("anyOf", [shown])]
        has_one = "example" in content or "examples" in content
        assert has_one or all("examples" in part for part in parts), content


def test_shared_enumerations_are_components() -> None:
    schemas = document()["components"]["schemas"]

    assert {"EventName", "Role"} <= schemas.keys()
    assert schemas["UserRead"]["properties"]["role"]["$ref"].endswith("/Role")


def test_names_are_usable_in_generated_clients() -> None:
    """Mutants: call a schema `Page_NoteRead_`; call an operation `read-note`."""
    for name, operation in operations():
        assert re.fullmatch("[a-z]+(_[a-z]+)*", operation["operationId"]), name
    for name in document()["components"]["schemas"]:
        assert re.fullmatch("[A-Z][A-Za-z]+", name), name


def test_the_document_names_the_public_url_and_the_licence() -> None:
    settings = NotesSettings(_env_file=None, public_base_url="https://api.example.com")
    document = create_application(settings).openapi()

    assert document["servers"] == [{"url": "https://api.example.com"}]
    assert document["info"]["license"]["identifier"] == "MIT"
    assert "Idempotency-Key" in document["info"]["description"]


def test_every_code_has_one_meaning() -> None:
    """`errors` raises an error if two classes introduce the same code."""
    assert len(list(errors())) > 30


def test_every_422_names_the_invalid_field() -> None:
    """Mutant: declare an error with this status that does not list `errors`."""
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
