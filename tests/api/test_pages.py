"""Lists that change while a client reads their pages."""

from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from tests.notes.model import Note
from tests.support.pages import (
    START,
    Lists,
    Make,
    Query,
    check_changing_list,
    check_list_between_writers,
    times,
)
from tests.support.people import Client

numbers = count()


def make_note(position: int, user: UUID) -> Note:
    return Note(
        **times(position),
        owner_id=user,
        title=f"Note {next(numbers)}",  # unique, so that no two rows sort alike
        text="",
        budget=Decimal(position),
    )


def make_user(position: int, _: UUID) -> User:
    email = f"{next(numbers)}@example.com"
    return User(**times(position), email=email, email_canonical=email, password_hash="")


def make_session(position: int, user: UUID) -> AuthSession:
    instants = ("auth_time", "rotated_at", "idle_expires_at", "expires_at")
    return AuthSession(
        **times(position),
        **dict.fromkeys(("scope", "amr", "acr", "ip", "last_ip"), ""),
        **dict.fromkeys(instants, START),
        user_id=user,
        salt=b"",
    )


def make_event(position: int, user: UUID) -> AuditEvent:
    same = times(position)
    return AuditEvent(
        id=same["id"],
        occurred_at=same["created_at"],
        event="auth.login.success",
        outcome="success",
        actor_type="system",
        subject_id=user,
        detail={},
    )


NOTES: list[Query] = [
    {"sort": sort} for sort in ("created_at", "-created_at", "budget", "-budget")
]
LISTS: dict[str, tuple[Make, list[Query]]] = {
    "/notes": (make_note, NOTES),
    "/users": (make_user, [{}]),
    "/auth/sessions": (make_session, [{}]),
    "/users/me/security-events": (make_event, [{}]),
    "/audit-events": (make_event, [{}]),
}
APPEND_ONLY = {"/users/me/security-events", "/audit-events"}


@pytest.fixture
async def lists(app: FastAPI, admin: Client) -> Lists:
    return Lists(app.state.shared.database, admin)


@pytest.mark.parametrize("path", LISTS)
async def test_added_or_removed_rows_do_not_repeat_or_hide_others(
    lists: Lists, path: str
) -> None:
    """Mutants: page by OFFSET; compare without the id.

    Mutant on PostgreSQL: sort without the id.
    """
    make, queries = LISTS[path]
    append_only = path in APPEND_ONLY
    await check_changing_list(lists, path, make, queries, append_only=append_only)


async def test_concurrent_writers_do_not_repeat_or_hide_rows(lists: Lists) -> None:
    await check_list_between_writers(lists, "/notes", make_note, NOTES)
