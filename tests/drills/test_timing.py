"""The work behind the answers that `python -m drills.timing` compares by time.

These tests count work instead of time, so that they agree on every machine.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drills.timing import KNOWN, OPERATIONS, ask
from tests.support.people import Client, People
from tests.support.watch import watch_hashes, watch_statements

Work = tuple[object, int, list[str]]  # an answer, hashes, statements
Measure = Callable[[str, str], Awaitable[Work]]


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {
        "registration": "verified",
        "rate_limit_enabled": False,
        "health_probe_seconds": 3600,  # no probe adds statements
    }


@pytest.fixture
async def measure(
    people: People, client: Client, monkeypatch: pytest.MonkeyPatch
) -> Measure:
    await people.add(email=KNOWN, email_verified=False)
    hashes = watch_hashes(monkeypatch)

    async def measure(name: str, email: str) -> Work:
        before = hashes.started
        with watch_statements() as statements:
            _, answer = await ask(client, OPERATIONS[name], email)
        return answer, hashes.started - before, statements

    return measure


class TestWorkForUnknownAddress:
    @pytest.mark.parametrize("name", ["forgot", "resend"])
    async def test_is_the_same_as_for_a_known_one(
        self, measure: Measure, name: str
    ) -> None:
        """Mutant: write no row to the outbox if the address is unknown."""
        known = await measure(name, KNOWN)

        assert await measure(name, "unknown@example.org") == known

    async def test_of_a_registration_is_as_much(self, measure: Measure) -> None:
        """Mutants: look the address up before the hash; omit the mail or the event."""
        known_answer, known_hashes, known = await measure("register", KNOWN)
        answer, hashes, statements = await measure("register", "unknown@example.org")

        assert (answer, hashes) == (known_answer, known_hashes) == (answer, 1)
        assert len(statements) == len(known)
        for table in ("users", "outbox_mails", "audit_events"):
            for sent in (statements, known):
                [_] = [each for each in sent if each.startswith(f"INSERT INTO {table}")]
