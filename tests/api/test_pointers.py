"""Pointers to faults never contain a name that only the client uses."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from app.api.authorization import api_routes
from tests.support.people import Client

SECRET = "hunter2"
BODIES: list[Any] = [
    {SECRET: 1},
    {SECRET: {"a": ["\0"]}},
    {"title": [{SECRET: "\0"}]},
]


@pytest.mark.parametrize("body", BODIES, ids=str)
async def test_a_pointer_does_not_name_an_unknown_member(
    app: FastAPI, admin: Client, body: object
) -> None:
    """Mutants: write all parts of the location; write all parts but the last one."""
    refused = 0
    for route in api_routes(app):
        for method in route.methods or ():
            path = re.sub(r"{\w+}", admin.user_id, str(route.path))
            url = f"http://test{path}"
            headers = {"If-Match": '"v1"', "Idempotency-Key": f"{method} {path}"}
            answer = await admin.request(method, url, json=body, headers=headers)
            refused += answer.status_code == 422
            assert SECRET not in answer.text

    assert refused > 10


@pytest.mark.parametrize("query", [f"{SECRET}=1", f"{SECRET}=1&{SECRET}=2"])
async def test_a_pointer_does_not_name_an_unknown_parameter(
    admin: Client, query: str
) -> None:
    """Mutant: write the name of the parameter as the client sent it."""
    answer = await admin.get(f"/notes?{query}")

    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["query"]


async def test_a_pointer_names_a_known_member(user: Client) -> None:
    answer = await user.post("/notes", json={"title": "a", "text": "\0"})

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["#/text"]


async def test_no_message_repeats_a_character_of_the_input(admin: Client) -> None:
    """Mutant: send the message of pydantic for a UUID."""
    refused = await admin.get("/notes/§§§§§§§§-0000-7000-8000-000000000000")

    [fault] = refused.json()["errors"]
    assert fault["code"] == "uuid_parsing"
    assert "§" not in refused.text
    assert "found" not in fault["message"]
