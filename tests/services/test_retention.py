"""The purge deletes expired rows, and keeps all others."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from structlog.testing import capture_logs

from app.db.base import utc_now
from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.idempotency_key import IdempotencyKey
from app.db.models.one_time_token import OneTimeToken
from app.db.models.outbox_mail import OutboxMail
from app.db.models.user import User
from app.db.session import Database, transaction
from app.services.retention import purge, purging
from tests.support.people import People

NOW = utc_now()
LONG_AGO, LATELY = NOW - timedelta(days=31), NOW - timedelta(days=29)
LATER = NOW + timedelta(days=1)
EVERY = timedelta(seconds=0.01)


def a_session(user: User, name: str, **times: Any) -> AuthSession:
    return AuthSession(
        user_id=user.id,
        salt=b"salt",
        scope="",
        amr="pwd",
        acr="aal1",
        auth_time=LONG_AGO,
        ip="192.0.2.1",
        last_ip="192.0.2.1",
        rotated_at=LONG_AGO,
        user_agent=name,
        **{"idle_expires_at": LATER, "expires_at": LATER, **times},
    )


def an_event(name: str, **times: Any) -> AuditEvent:
    values = {"outcome": "success", "actor_type": "system", "detail": {}}
    return AuditEvent(event=name, **values, **times)


def a_link(user: User, name: str, purpose: str, **times: Any) -> OneTimeToken:
    return OneTimeToken(
        user_id=user.id,
        purpose=purpose,
        token_hash=name.encode(),
        email_canonical=name,
        password_fingerprint=b"",
        **times,
    )


def a_mail(name: str, **times: Any) -> OutboxMail:
    return OutboxMail(template=name, context={"link": "x"}, due_at=LONG_AGO, **times)


def a_key(user: User, name: str, **times: Any) -> IdempotencyKey:
    return IdempotencyKey(
        user_id=user.id,
        key=name,
        fingerprint=b"",
        status=201,
        headers={},
        body=b"",
        **times,
    )


async def fill(database: Database, user: User) -> None:
    async with transaction(database) as session:
        session.add_all(
            [
                a_session(user, "alive"),
                a_session(user, "ended lately", revoked_at=LATELY),
                a_session(user, "expired lately", idle_expires_at=LATELY),
                *(
                    a_session(user, f"useless {n}", **{column: LONG_AGO})
                    for n in range(3)
                    for column in ("revoked_at", "idle_expires_at")
                ),
                a_mail("waits", created_at=LATELY),
                a_mail("sent lately", created_at=LATELY, sent_at=LATELY),
                a_mail("given up lately", created_at=LATELY, dead_at=LATELY),
                a_mail("useless: never sent", created_at=LONG_AGO),
                a_mail("useless: sent", created_at=LONG_AGO, sent_at=LONG_AGO),
                a_mail("useless: given up", created_at=LONG_AGO, dead_at=LONG_AGO),
                a_link(user, "usable", "verify_email", expires_at=LATER),
                a_link(user, "expired lately", "change_email", expires_at=LATELY),
                a_link(user, "useless", "reset_password", expires_at=LONG_AGO),
                an_event("recent", occurred_at=LONG_AGO),
                an_event("old", occurred_at=NOW - timedelta(days=364)),
                *(
                    an_event("useless", occurred_at=NOW - timedelta(days=366))
                    for _ in range(5)
                ),
                a_key(user, "valid", expires_at=LATER),
                *(a_key(user, f"useless {n}", expires_at=LATELY) for n in range(5)),
            ]
        )


async def names(database: Database) -> set[str]:
    columns = (
        AuthSession.user_agent,
        OutboxMail.template,
        OneTimeToken.email_canonical,
        IdempotencyKey.key,
        AuditEvent.event,
    )
    async with transaction(database) as session:
        return {
            str(name)
            for column in columns
            for name in await session.scalars(select(column))
        }


KEPT = {
    *("alive", "ended lately", "expired lately"),
    *("waits", "sent lately", "given up lately"),
    "usable",
    "valid",
    *("recent", "old"),
}


async def test_deletes_only_expired_rows_in_batches(
    app: FastAPI, people: People
) -> None:
    """Mutants: stop after the first batch; delete rows as soon as they expire."""
    database = app.state.shared.database
    await fill(database, await people.add())

    await purge(database, app.state.shared.settings, batch=2)

    assert await names(database) == KEPT


async def test_a_background_task_purges(app: FastAPI, people: People) -> None:
    database = app.state.shared.database
    await fill(database, await people.add())

    settings = app.state.shared.settings
    async with asyncio.timeout(60), purging(database, settings, EVERY):
        while await names(database) != KEPT:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("backend", ["postgresql"])  # for its error message
async def test_retries_after_any_error(app: FastAPI, people: People) -> None:
    """Mutant: catch only the errors of a database that is down."""
    database = app.state.shared.database
    await fill(database, await people.add())
    rename = "ALTER TABLE {} RENAME TO {}"

    async with database.writer.begin() as connection:
        await connection.execute(text(rename.format("outbox_mails", "not_yet")))
    with capture_logs() as logs:
        settings = app.state.shared.settings
        async with asyncio.timeout(60), purging(database, settings, EVERY):
            while not logs:
                await asyncio.sleep(0.01)
            async with database.writer.begin() as connection:
                await connection.execute(text(rename.format("not_yet", "outbox_mails")))
            while await names(database) != KEPT:
                await asyncio.sleep(0.01)

    assert logs[0] == {
        "event": "retention.postponed",
        "log_level": "warning",
        "reason": "UndefinedTableError",
        "message": 'relation "outbox_mails" does not exist',
        "sqlstate": "42P01",
    }


async def test_a_running_service_purges(app: FastAPI) -> None:
    """Mutant: do not start the purge with the application."""
    assert "purge" in {task.get_name() for task in asyncio.all_tasks()}
