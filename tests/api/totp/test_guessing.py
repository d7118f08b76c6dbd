"""Guessing codes of an authenticator app, by an attacker who knows the password."""

import asyncio
from collections import Counter

from httpx2 import Response

from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.totp import Phone, finish, reauthenticate, use

GUESS = "000000"


async def guess(people: People, phone: Phone, address: str, **headers: str) -> Response:
    client = await people.anonymous(address)
    token = await phone.begin(client, **headers)
    return await finish(client, token, code=GUESS)


async def use_up(people: People, phone: Phone) -> None:
    """Guess from enough addresses to fill the counter of unknown devices."""
    for number in range(5):
        assert (await guess(people, phone, f"198.51.100.{number}")).status_code == 401


class TestGuessing:
    async def test_in_parallel_gets_no_more_comparisons_than_the_limit(
        self, people: People, phone: Phone, monkeypatch: object
    ) -> None:
        """Mutant: count a wrong code only after the comparison."""
        clients = [await people.anonymous(f"198.51.100.{n}") for n in range(12)]
        tokens = [await phone.begin(client) for client in clients]
        await phone.code()

        answers = await asyncio.gather(
            *(
                finish(client, token, code=GUESS)
                for client, token in zip(clients, tokens, strict=True)
            )
        )

        assert Counter(each.status_code for each in answers) == {401: 5, 429: 7}
        refused = next(each for each in answers if each.status_code == 429)
        assert refused.json()["violated-policies"] == ["mfa"]

    async def test_locks_out_neither_the_password_nor_a_known_device(
        self, people: People, phone: Phone, client: Client
    ) -> None:
        """Mutants: use one counter for all devices; give the device token too early."""
        known = await phone.log_in(client)
        device = {"X-Device-Token": known.headers["X-Device-Token"]}
        await use_up(people, phone)

        assert (await guess(people, phone, "198.51.100.9")).status_code == 429
        token = await phone.begin(client, **device)
        answer = await finish(client, token, code=await phone.code())

        assert answer.status_code == 200
        assert (await guess(people, phone, "203.0.113.1", **device)).status_code == 401

    async def test_does_not_keep_the_owner_from_using_a_recovery_code(
        self, people: People, phone: Phone, client: Client
    ) -> None:
        """Mutant: count wrong codes and recovery codes together."""
        await use_up(people, phone)
        token = await phone.begin(client)

        answer = {"recovery_code": phone.recovery_codes[0]}
        assert (await finish(client, token, **answer)).status_code == 200

    async def test_is_counted_by_address_for_all_accounts(
        self, people: People, phone: Phone
    ) -> None:
        """Mutant: do not count by client address."""
        client = await people.anonymous("198.51.100.1")
        statuses = []
        for _ in range(3):
            token = await phone.begin(client)
            for _ in range(4):
                answer = {"recovery_code": "0000-0000"}
                statuses.append((await finish(client, token, **answer)).status_code)

        assert statuses == [401] * 10 + [429] * 2

    async def test_is_not_counted_when_the_code_is_right(
        self, people: People, phone: Phone, client: Client
    ) -> None:
        """Mutant: count right answers, too."""
        for _ in range(6):
            await phone.log_in(client)

    async def test_by_the_thief_of_a_session_is_limited(
        self, phone: Phone, client: Client
    ) -> None:
        await phone.log_in(client)
        await phone.code()
        statuses = [
            (await reauthenticate(client, code=GUESS)).status_code for _ in range(6)
        ]

        assert statuses == [401] * 5 + [429]
        use(client, await reauthenticate(client, password=PASSWORD))
