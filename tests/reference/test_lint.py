"""`reference.lint` refuses a document that is not valid, or that breaks clients."""

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest

from reference.contract import Contract
from reference.lint import broken, main
from tests.support.declared import document

Change = Callable[[dict[str, Any]], object]
NOTES = "/api/v1/notes"


def schema(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda changed: changed["components"]["schemas"][name]


def require_text(changed: dict[str, Any]) -> None:
    schema("NoteCreate")(changed)["required"].append("text")


def add_optional_member(changed: dict[str, Any]) -> None:
    schema("NoteCreate")(changed)["properties"]["colour"] = {"type": "string"}


def bounded(changed: dict[str, Any], **bounds: int) -> None:
    schema("NoteCreate")(changed)["properties"]["title"].update(bounds)


BREAKING: dict[str, Change] = {
    "an operation is gone": lambda each: each["paths"][NOTES].pop("get"),
    "an operation needs a token now": lambda each: each["paths"]["/api/v1/auth/login"][
        "post"
    ].update(security=[{"HTTPBearer": []}]),
    "a member is required now": require_text,
    "a member of a request is gone": lambda each: schema("NoteCreate")(each)[
        "properties"
    ].pop("text"),
    "an answer lacks a member": lambda each: schema("NoteRead")(each)[
        "required"
    ].remove("title"),
    "an answer can be null": lambda each: schema("NoteRead")(each)["properties"].update(
        title={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "a value of a request is gone": lambda each: schema("Role")(each)["enum"].pop(),
    "a text must be shorter": lambda each: bounded(each, maxLength=199),
    "a text must be longer": lambda each: bounded(each, minLength=2),
    "a parameter is gone": lambda each: each["paths"][NOTES]["get"]["parameters"].pop(),
    "an answer lacks a header": lambda each: each["paths"][NOTES]["post"]["responses"][
        "201"
    ]["headers"].pop("Location"),
}
HARMLESS: dict[str, Change] = {
    "a text can be longer": lambda each: bounded(each, maxLength=201),
    "a text can be shorter": lambda each: bounded(each, minLength=0),
    "a request may have another member": add_optional_member,
    "an answer has another member": lambda each: schema("NoteRead")(each)[
        "properties"
    ].update(colour={"type": "string"}),
    "another operation": lambda each: each["paths"].update(
        {"/new": {"get": {**each["paths"][NOTES]["get"], "operationId": "list_new"}}}
    ),
}


def breaks(change: Change) -> list[tuple[str, str]]:
    changed = deepcopy(document())
    change(changed)
    return list(Contract(changed).breaks(Contract(document())))


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_finds_that_clients_break(change: Change) -> None:
    """Mutant: compare only the paths."""
    assert breaks(change)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_allows_additions(change: Change) -> None:
    """Mutant: refuse every change."""
    assert breaks(change) == []


def test_a_change_that_breaks_clients_needs_an_announcement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants: compare with the last commit; accept a line about another operation.

    Without a release, such as in a new copy, there are no clients to break.
    """
    monkeypatch.chdir(tmp_path)

    def found(news: str, status: str) -> list[str]:
        log = f"## [Unreleased]\n\n{news}\n\n## [0.1.0]\n\n- Breaking: `health_live`\n"
        Path("CHANGELOG.md").write_text(log)
        changed = deepcopy(document())
        answers = changed["paths"]["/api/v1/health/live"]["get"]["responses"]
        answers[status] = answers.pop("200")
        Path("openapi.json").write_bytes(orjson.dumps(changed))
        return list(broken(changed))

    def git(*line: str) -> None:
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *name, *line], check=True)

    assert found("", "200") == []
    git("init", "--quiet")
    git("add", "openapi.json")
    git("commit", "--quiet", "--message", "release")
    assert found("", "202") == []
    git("tag", "v0.1.0")
    refused = found("- Breaking: `health_ready` …", "202")
    git("commit", "--quiet", "--all", "--message", "change")

    assert refused[0].startswith("health_live: no longer: 200 is answered. Announce")
    assert found("- Breaking: `health_ready` …", "202") == refused
    assert found("- Breaking: `health_live` answers\n  202.", "202") == []


def test_the_document_must_be_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("openapi.json").write_text('{"openapi": "3.1.0", "paths": {}}')

    with pytest.raises(SystemExit, match='"info" is a required property'):
        main()
