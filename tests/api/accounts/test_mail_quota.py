"""The quota of mail that strangers can cause, and deletion of unverified accounts."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.core.config import Settings
from app.db.base import utc_now
from app.db.models.user import User
from app.db.session import transaction
from app.services.retention import purge
from testbed.accounts import PASSWORD
from testbed.mailbox import mailed
from tests.services.test_retention import a_session
from tests.support.people import Client, People

verified = pytest.mark.parametrize("overrides", [{"registration": "verified"}])


async def ask(client: Client, path: str, email: str, **more: str) -> tuple[int, bytes]:
    answer = await client.post(f"/auth/{path}", json={"email": email, **more})
    return answer.status_code, answer.content


async def register(client: Client, email: str) -> tuple[int, bytes]:
    return await ask(client, "register", email, password="violet umbrella parade")


async def addresses(app: FastAPI) -> set[str]:
    async with transaction(app.state.shared.database) as session:
        return set(await session.scalars(select(User.email)))


@verified
class TestMailQuota:
    async def test_of_a_mailbox_is_shared_by_every_request(
        self, app: FastAPI, people: People, user: Client
    ) -> None:
        """Mutant: do not count registrations of a known address."""
        owner = await people.add()
        clients = [await people.anonymous(f"198.51.100.{n}") for n in range(4)]

        answers = [
            await register(clients[0], owner.email),
            await ask(clients[1], "verify-email/resend", owner.email.upper()),
            await ask(clients[2], "password/forgot", owner.email),
            await register(clients[3], owner.email),
            await ask(clients[3], "verify-email/resend", owner.email),
            await ask(clients[3], "password/forgot", owner.email),
            await ask(user, "email/change", owner.email, password=PASSWORD),
        ]

        assert set(answers) == {(202, b'{"status":"check_email"}')}
        assert await mailed(app) == [
            ("account_exists", owner.email),
            ("verify_email", None),
            ("reset_password", owner.email),
        ]

    async def test_of_a_client_address_is_shared_by_every_mailbox(
        self, app: FastAPI, client: Client, people: People
    ) -> None:
        for n in range(5):
            await register(client, f"r{n}@example.org")
            await ask(client, "password/forgot", f"f{n}@example.org")

        answers = {
            await register(client, "last@example.org"),
            await ask(client, "password/forgot", "r1@example.org"),
        }

        assert answers == {(202, b'{"status":"check_email"}')}
        assert len(await mailed(app)) == 10
        assert "last@example.org" not in await addresses(app)
        elsewhere = await people.anonymous("198.51.100.8")
        await register(elsewhere, "last@example.org")
        assert (await mailed(app))[-1] == ("verify_email", "last@example.org")

    async def test_is_not_used_up_by_wrong_passwords(
        self, app: FastAPI, user: Client
    ) -> None:
        for _ in range(4):
            await ask(user, "email/change", "new@example.org", password="wrong")

        await ask(user, "email/change", "new@example.org", password=PASSWORD)

        assert await mailed(app) == [("change_email", "new@example.org")]


class TestUnverifiedAccounts:
    @pytest.mark.parametrize(
        ("overrides", "gone"),
        [
            ({"registration": "verified"}, {"old@example.org"}),
            ({"registration": "verified", "unverified_account_days": 9}, set()),
            ({"registration": "open"}, set()),
        ],
    )
    async def test_are_deleted_after_some_days(
        self,
        app: FastAPI,
        settings: Settings,
        client: Client,
        people: People,
        gone: set[str],
    ) -> None:
        """Mutants: delete accounts that were imported, used or verified.

        An imported account stays, even if the owner asks for a link, or if a stranger
        registers with the address.
        """
        for name in ("old", "young", "used"):
            await register(client, f"{name}@example.org")
        imported = await people.add(email_verified=False)
        await ask(client, "verify-email/resend", imported.email)
        await register(client, imported.email)
        await people.add(email="verified@example.org")
        database = app.state.shared.database
        async with transaction(database) as session:
            found = await session.scalars(
                select(User).where(User.email == "used@example.org")
            )
            used = found.one()
            await session.execute(
                update(User)
                .where(User.email != "young@example.org")
                .values(created_at=utc_now() - timedelta(days=8))
            )
            session.add(a_session(used, "alive"))
        before = await addresses(app)

        await purge(database, settings)

        assert before - await addresses(app) == gone
