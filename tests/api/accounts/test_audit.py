"""The audit log: what its events contain, who reads them, and what can change them."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from app.core.config import Settings
from app.db import migrate
from app.db.base import utc_now
from app.db.models.audit_event import AuditEvent
from app.db.session import transaction
from tests.support.people import Client


async def events(admin: Client, **query: Any) -> list[dict[str, Any]]:
    response = await admin.get("/audit-events", params=query)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


class TestAuditEvents:
    async def test_name_actor_subject_address_and_request(
        self, admin: Client, user: Client
    ) -> None:
        headers = {"X-Request-ID": "promotion-of-a-user", "User-Agent": "Tests/1"}

        await admin.patch(
            f"/users/{user.user_id}", json={"role": "editor"}, headers=headers
        )

        [event] = await events(admin, event="account.role.changed")
        assert event.pop("id")
        assert event.pop("occurred_at").endswith("Z")
        assert event.pop("session_id")
        assert event == {
            "event": "account.role.changed",
            "outcome": "success",
            "actor_type": "user",
            "actor_id": admin.user_id,
            "subject_type": "user",
            "subject_id": user.user_id,
            "ip": "192.0.2.1",
            "user_agent": "Tests/1",
            "request_id": "promotion-of-a-user",
            "detail": {"old": "user", "new": "editor"},
        }

    async def test_are_rolled_back_with_a_refused_change(
        self, admin: Client, user: Client
    ) -> None:
        # Mutant: commit the event in a separate transaction.
        response = await admin.patch(f"/users/{admin.user_id}", json={"role": "user"})

        assert response.json()["code"] == "last_admin"
        assert await events(admin, event="account.role.changed") == []

    async def test_outlive_the_account(self, admin: Client, user: Client) -> None:
        await admin.delete(f"/users/{user.user_id}")

        names = [e["event"] for e in await events(admin, subject_id=user.user_id)]
        assert names[0] == "account.deleted"

    async def test_can_be_filtered_and_paged(self, admin: Client, user: Client) -> None:
        for active in (False, True, False):
            await admin.patch(f"/users/{user.user_id}", json={"is_active": active})
        query: dict[str, Any] = {
            "actor_id": admin.user_id,
            "subject_id": user.user_id,
            "limit": 2,
        }

        first = (await admin.get("/audit-events", params=query)).json()
        query["cursor"] = first["next_cursor"]
        second = (await admin.get("/audit-events", params=query)).json()

        assert [e["event"] for e in first["items"] + second["items"]] == [
            "account.disabled",
            "account.enabled",
            "account.disabled",
        ]
        assert second["next_cursor"] is None
        now = utc_now()
        later = (now + timedelta(minutes=1)).isoformat()
        assert await events(admin, since=later) == []
        assert len(await events(admin, until=later, event="account.disabled")) == 2
        query["event"] = "account.enabled"  # the cursor belongs to another list
        assert (await admin.get("/audit-events", params=query)).status_code == 400

    @pytest.mark.parametrize(
        "query",
        [
            {"event": "no.such.event"},
            {"since": "yesterday"},
            {"since": "2026-01-01T00:00:00"},
            {"since": "0001-01-01T00:00:00+14:00"},
            {"until": "9999-12-31T23:59:59-14:00"},
            {"actor_id": "1"},
        ],
    )
    async def test_refuse_an_invalid_filter(
        self, admin: Client, query: dict[str, str]
    ) -> None:
        response = await admin.get("/audit-events", params=query)

        assert response.status_code == 422

    async def test_are_shown_to_administrators_only(self, editor: Client) -> None:
        assert (await editor.get("/audit-events")).status_code == 403

    @pytest.mark.parametrize(
        "change",
        [
            update(AuditEvent).values(event="x"),
            update(AuditEvent).values(ip="192.0.2.9"),
            update(AuditEvent).values(ip=None, event="x"),
            update(AuditEvent).values(ip=None, user_agent="Tests/1"),
            delete(AuditEvent),
        ],
        ids=["update", "address", "erasure and more", "user agent", "delete"],
    )
    async def test_cannot_be_changed_even_in_the_database(
        self, app: FastAPI, admin: Client, user: Client, change: Any
    ) -> None:
        # Mutant: create the table without its triggers.
        await admin.delete(f"/users/{user.user_id}")
        database = app.state.shared.database
        before = await database.read.all(select(AuditEvent.id), {})

        with pytest.raises(DBAPIError, match="append-only"):
            async with transaction(database) as session:
                await session.execute(change)

        assert await database.read.all(select(AuditEvent.id), {}) == before != []

    async def test_of_the_last_30_days_cannot_be_deleted(self, app: FastAPI) -> None:
        """Mutants: protect events of every age; write the time in another format."""
        database = app.state.shared.database
        for days in (31, 29):
            values = {"outcome": "", "actor_type": "system", "detail": {}}
            occurred_at = utc_now() - timedelta(days=days)
            event = AuditEvent(event=str(days), occurred_at=occurred_at, **values)
            async with transaction(database) as session:
                session.add(event)

        async with transaction(database) as session:
            await session.execute(delete(AuditEvent).where(AuditEvent.event == "31"))
        with pytest.raises(DBAPIError, match="append-only"):
            async with transaction(database) as session:
                await session.execute(delete(AuditEvent))

        assert await database.read.all(select(AuditEvent.event), {}) == [("29",)]

    @pytest.mark.usefixtures("without_notes")
    async def test_survive_a_downgrade_and_an_upgrade_of_the_schema(
        self, settings: Settings
    ) -> None:
        await migrate.downgrade(settings, "0001")
        await migrate.upgrade(settings)
        await migrate.check(settings)

    async def test_cannot_be_truncated(self, app: FastAPI, backend: str) -> None:
        if backend == "sqlite":
            return  # SQLite has no TRUNCATE
        with pytest.raises(DBAPIError, match="append-only"):
            async with transaction(app.state.shared.database) as session:
                await session.execute(text("TRUNCATE audit_events"))


class TestSecurityEvents:
    async def test_hide_the_address_and_the_browser_of_the_administrator(
        self, admin: Client, user: Client
    ) -> None:
        await admin.patch(f"/users/{user.user_id}", json={"role": "editor"})

        response = await user.get("/users/me/security-events")

        event = response.json()["items"][0]
        assert set(event) == {
            "id",
            "occurred_at",
            "event",
            "outcome",
            "ip",
            "user_agent",
        }
        assert event["event"] == "account.role.changed"
        assert (event["ip"], event["user_agent"]) == (None, None)

    async def test_do_not_show_the_events_of_another_account(
        self, admin: Client, user: Client
    ) -> None:
        await admin.patch(f"/users/{user.user_id}", json={"role": "editor"})

        items = (await admin.get("/users/me/security-events")).json()["items"]

        assert "account.role.changed" not in [event["event"] for event in items]
