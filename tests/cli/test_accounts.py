"""Commands for accounts, while a service uses the same database."""

import json

from sqlalchemy import select

from app.core.config import Settings
from app.db.models.outbox_mail import OutboxMail
from app.db.session import Database, transaction
from testbed.accounts import PASSWORD
from tests.cli.conftest import Run
from tests.support.people import Client, People

NEW = "violet umbrella on a hill"


async def status(client: Client) -> int:
    return (await client.get("/users/me")).status_code


class TestUsersList:
    async def test_reads_more_than_one_page_and_says_if_there_are_more(
        self, run: Run, people: People
    ) -> None:
        """Mutants: stop after a page of 100; do not say that there are more rows."""
        for number in range(103):
            await people.add(email=f"{number}@example.org")

        most = await run("users list --json --limit 102")
        every = await run("users list --limit 103")

        found = [json.loads(line)["email"] for line in most.stdout.splitlines()]
        assert found == [f"{number}@example.org" for number in range(102, 0, -1)]
        assert most.stderr == "There are more than 102. Raise --limit to see them.\n"
        assert len(every.stdout.splitlines()) == 103
        assert every.stderr == ""

    async def test_filters_by_text_role_and_state(
        self, run: Run, people: People
    ) -> None:
        await people.add(email="ada@example.org")
        await people.add("editor", email="bob@example.org")
        await people.add("editor", email="eve@example.org", is_active=False)

        for filters, expected in (
            ("--q BOB", ["bob"]),
            ("--role editor", ["eve", "bob"]),
            ("--disabled", ["eve"]),
            ("--active --role editor", ["bob"]),
        ):
            found = await run(f"users list {filters}")
            names = [line.split()[-1] for line in found.stdout.splitlines()]
            assert names == [f"{name}@example.org" for name in expected], filters

    async def test_shows_the_account_of_an_address_or_an_id(
        self, run: Run, people: People
    ) -> None:
        user = await people.add(email="Ada@example.org", full_name="Zoë \x9b31m :bug:")

        shown = await run("users show ada@EXAMPLE.org --json")
        again = await run(f"users show {user.id}")
        unknown = await run("users show 01900000-0000-7000-8000-000000000000")

        assert json.loads(shown.stdout)["full_name"] == user.full_name
        assert shown.stdout.isascii()
        assert "email: Ada@example.org\n" in again.stdout
        assert (unknown.returncode, unknown.stderr) == (
            1,
            "Error: No user has this id.\n",
        )


class TestUsersChange:
    async def test_a_role_counts_at_once_and_is_recorded_and_mailed(
        self, run: Run, people: People, admin: Client, user: Client, settings: Settings
    ) -> None:
        """Mutant: change the row directly, without the service for users."""
        done = await run(f"users set-role {user.email} admin")

        assert done.stdout == f"{user.email} is now admin.\n", done.stderr
        assert (await user.get("/users")).status_code == 200
        events = await admin.get("/audit-events?event=account.role.changed")
        [event] = events.json()["items"]
        assert event["actor_type"] == "system"
        assert event["subject_id"] == user.user_id
        async with Database(settings) as database, transaction(database) as session:
            mails = (await session.scalars(select(OutboxMail))).all()
        assert [(mail.template, mail.recipient) for mail in mails] == [
            ("admin_added", admin.email)
        ]

    async def test_the_last_administrator_stays(self, run: Run, admin: Client) -> None:
        demoted = await run(f"users set-role {admin.email} user")
        disabled = await run(f"users disable {admin.user_id}")

        for refused in (demoted, disabled):
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr == (
                "Error: First give the role admin to another user who can log in.\n"
            )
        assert await status(admin) == 200

    async def test_disabling_ends_sessions_and_enabling_allows_a_login(
        self, run: Run, people: People, user: Client
    ) -> None:
        disabled = await run(f"users disable {user.email}")
        ended = await status(user)
        enabled = await run(f"users enable {user.email}")

        assert (disabled.returncode, enabled.returncode) == (0, 0), disabled.stderr
        assert (ended, await status(user)) == (401, 401)
        await people.log_in(user.account)


class TestUsersSetPassword:
    async def test_replaces_the_password_and_ends_sessions(
        self, run: Run, people: People, user: Client
    ) -> None:
        """Mutants: keep the sessions; keep the old password."""
        line = f"users set-password {user.email} --password-stdin"
        weak = await run(line, stdin="password1234\n")
        assert await status(user) == 200

        done = await run(line, stdin=f"{NEW}\n")

        assert (weak.returncode, done.returncode) == (1, 0), done.stderr
        assert NEW not in done.stdout + done.stderr
        assert await status(user) == 401
        answers = [
            await user.post("/auth/login", json={"email": user.email, "password": each})
            for each in (PASSWORD, NEW)
        ]
        assert [answer.status_code for answer in answers] == [401, 200]

    async def test_reads_no_password_from_a_pipe_unless_asked(
        self, run: Run, user: Client
    ) -> None:
        """Mutant: use the next line of a script as the password."""
        refused = await run(f"users set-password {user.email}", stdin=f"{NEW}\n")

        assert refused.returncode == 2
        assert "Use --password-stdin." in refused.stderr
        assert await status(user) == 200


class TestUsersSessions:
    async def test_lists_and_ends_the_sessions_of_a_user(
        self, run: Run, people: People, user: Client
    ) -> None:
        second = await people.log_in(user.account, "198.51.100.7")

        listed = await run(f"users sessions {user.email} --json")
        shown = await run(f"users sessions {user.email}")
        ended = await run(f"users end-sessions {user.email}")
        none = await run(f"users sessions {user.email}")

        assert listed.stderr == ""
        rows = [json.loads(line) for line in listed.stdout.splitlines()]
        assert [row["ip"] for row in rows] == ["198.51.100.0/24", "192.0.2.0/24"]
        assert "current" not in rows[0]
        assert [line.split()[0] for line in shown.stdout.splitlines()] == [
            row["id"] for row in rows
        ]
        assert (ended.returncode, none.stdout) == (0, ""), ended.stderr
        assert [await status(client) for client in (user, second)] == [401, 401]


class TestAuditList:
    async def test_filters_by_event_person_and_time(
        self, run: Run, people: People, user: Client
    ) -> None:
        await people.sign_in()
        await run(f"users end-sessions {user.email}")

        ended = await run("audit list --event session.all_revoked --json")
        about = await run(f"audit list --subject {user.email}")
        by = await run(f"audit list --actor {user.user_id}")
        [event] = map(json.loads, ended.stdout.splitlines())
        since = await run(f"audit list --since {event['occurred_at']}")
        newest = await run("audit list --limit 1")

        assert (event["subject_id"], event["actor_type"]) == (user.user_id, "system")
        names = [line.split()[1] for line in about.stdout.splitlines()]
        assert names == ["session.all_revoked", "auth.login.success"]
        assert [line.split()[1] for line in by.stdout.splitlines()] == names[1:]
        assert since.stdout == newest.stdout == about.stdout.splitlines(True)[0]

    async def test_refuses_an_event_and_a_time_that_it_does_not_know(
        self, run: Run
    ) -> None:
        for option in ("--event nonsense", "--since yesterday"):
            refused = await run(f"audit list {option}")

            assert (refused.returncode, refused.stdout) == (2, "")
            assert refused.stderr.startswith(
                f"Error: Invalid value for {option.split()[0]}: Input should be "
            )
            assert refused.stderr.count("\n") == 1
