"""The work behind the answers whose times `python -m drills.timing` compares.

Clocks are for that drill: these counts are the same on every machine.
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
        "health_probe_seconds": 3600,  # its statements are not ours
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


class TestUnknownAddress:
    @pytest.mark.parametrize("name", ["forgot", "resend"])
    async def test_makes_the_same_work_as_a_known_one(
        self, measure: Measure, name: str
    ) -> None:
        """Mutant: no row in the outbox if the address is unknown."""
        known = await measure(name, KNOWN)

        assert await measure(name, "unknown@example.org") == known

    async def test_makes_as_much_of_it_where_it_becomes_known(
        self, measure: Measure
    ) -> None:
        """Mutants: look before the hash; tell the owner nothing, or not on record."""
        known_answer, known_hashes, known = await measure("register", KNOWN)
        answer, hashes, statements = await measure("register", "unknown@example.org")

        assert (answer, hashes) == (known_answer, known_hashes) == (answer, 1)
        assert len(statements) == len(known)
        for table in ("users", "outbox_mails", "audit_events"):
            for sent in (statements, known):
                [_] = [each for each in sent if each.startswith(f"INSERT INTO {table}")]
