"""The query plans of all lists, in tables with many rows."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.declared import document
from tests.support.people import Client
from tests.support.plans import Lists, Query, fill

EVENT, RARE_EVENT = {"event": "auth.login.failure"}, {"event": "auth.refresh.reuse"}
SINCE, UNTIL = {"since": "2026-01-01T10:00:00Z"}, {"until": "2026-01-01T20:00:00Z"}
# Tests in other directories check the plans of these lists.
ELSEWHERE = [
    path
    for file in Path(__file__).parent.glob("*/test_query_plans.py")
    for path in import_module(f"tests.api.{file.parent.name}.test_query_plans").LISTS
]
LISTS: dict[str, tuple[Query, ...]] = {
    "/notes": (
        {},
        {"liked": "false"},
        *({"sort": sort} for sort in ("created_at", "title", "-title", "-budget")),
    ),
    "/users": (
        {},
        {"q": "u5"},  # a text without a match would make the query read every user
        {"role": "editor"},
        {"role": "admin"},
        {"is_active": "true"},
        {"is_active": "false"},
        {"role": "editor", "is_active": "true"},
        {"role": "editor", "q": "u5"},
    ),
    "/auth/sessions": ({},),
    "/users/me/security-events": ({},),
    "/audit-events": (
        {},
        EVENT,
        RARE_EVENT,
        SINCE,
        UNTIL,
        SINCE | UNTIL,
        EVENT | SINCE,
        {"actor_id": "{user_id}"},
        {"subject_id": "{user_id}"},
    ),
}
# Queries that an index answers with few rows. PostgreSQL can then sort these rows.
FOUND_BY: dict[str, dict[str, tuple[Query, ...]]] = {
    "/users": {
        "ix_users_role_created_at_id": ({"role": "admin"},),
        "ix_users_is_active_created_at_id": ({"is_active": "false"},),
    },
    "/users/me/security-events": {"ix_audit_events_subject_id_occurred_at_id": ({},)},
    "/audit-events": {
        "ix_audit_events_subject_id_occurred_at_id": ({"subject_id": "{user_id}"},),
        "ix_audit_events_actor_id_occurred_at_id": ({"actor_id": "{user_id}"},),
        "ix_audit_events_event_occurred_at_id": (
            RARE_EVENT,
            {"subject_id": "{user_id}", **RARE_EVENT},
        ),
    },
}


def test_the_plan_of_every_list_is_checked() -> None:
    paths = document()["paths"].items()
    lists = {path for path, methods in paths if "Page'}" in str(methods.get("get"))}

    assert lists == {"/api/v1" + path for path in [*LISTS, *ELSEWHERE]}


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"request_deadline_seconds": 25}


async def test_every_list_is_read_through_an_index(app: FastAPI, admin: Client) -> None:
    """Mutant: drop an index, or add a column to the sort."""
    lists = Lists(app.state.shared.database, user_id=admin.user_id)
    await fill(lists.database, user=admin.user_id)

    for path, queries in LISTS.items():
        for query in queries:
            await lists.check(admin, path, query)
    for path, indexes in FOUND_BY.items():
        await lists.check_found_by(admin, path, indexes)
