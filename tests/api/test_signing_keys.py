"""The keys that sign access tokens: a secret, or a ring of keys with public halves."""

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet

from app.core.config import Settings
from app.core.tokens.signing_keys import generate, rotate
from app.main import create_application
from tests.notes.served import ROUTERS_WITH_NOTES, NotesSettings
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in, refresh

RING = [generate(), generate("Ed25519", "next")]
SECRETS = ("first secret of at least 32 bytes", "second secret of at least 32 bytes")


def with_ring(ring: list[dict[str, Any]]) -> dict[str, str]:
    return {"signing_keys": json.dumps(ring)}


class Restarts:
    """Starts applications with different settings on the same database."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.stack = stack

    async def start(self, **values: Any) -> People:
        settings = self.settings.model_dump() | values
        app = create_application(
            NotesSettings(_env_file=None, **settings), ROUTERS_WITH_NOTES
        )
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        return People(app, self.stack)


async def assert_still_logged_in(people: People, user: Client) -> None:
    client = await people.anonymous()
    assert await is_logged_in(client, user.tokens["access_token"])
    answer = await refresh(client, user.tokens["refresh_token"])
    assert answer.status_code == 200
    assert await is_logged_in(client, answer.json()["access_token"])


class TestKeyRotation:
    async def test_keeps_users_logged_in(self, settings: Settings) -> None:
        # Mutant: verify only with the current key of the ring.
        async with AsyncExitStack() as stack:
            restarts = Restarts(settings, stack)
            before = await restarts.start(**with_ring(RING))
            user = await before.sign_in()
            ring = RING
            for _ in range(2):
                ring = rotate(ring)
                await assert_still_logged_in(
                    await restarts.start(**with_ring(ring)), user
                )

    async def test_of_the_secret_keeps_users_logged_in_too(
        self, settings: Settings
    ) -> None:
        first, second = SECRETS
        async with AsyncExitStack() as stack:
            restarts = Restarts(settings, stack)
            before = await restarts.start(secret_key=first)
            user = await before.sign_in()
            after = await restarts.start(secret_key=second, secret_key_previous=first)
            await assert_still_logged_in(after, user)

            forgotten = await restarts.start(secret_key=second)

            client = await forgotten.anonymous()
            assert not await is_logged_in(client, user.tokens["access_token"])
            token = user.tokens["refresh_token"]
            assert (await refresh(client, token)).status_code == 401


class TestKeyRing:
    async def test_refuses_tokens_that_the_secret_signed(
        self, settings: Settings
    ) -> None:
        # Mutant: accept also tokens that the secret signed.
        async with AsyncExitStack() as stack:
            restarts = Restarts(settings, stack)
            with_secret = await restarts.start()
            user = await with_secret.sign_in()

            people = await restarts.start(**with_ring(RING))

            client = await people.anonymous()
            assert not await is_logged_in(client, user.tokens["access_token"])
            answer = await refresh(client, user.tokens["refresh_token"])
            token = answer.json()["access_token"]
            assert await is_logged_in(client, token)
            back = await (await restarts.start()).anonymous()
            assert not await is_logged_in(back, token)


class TestPublicKeys:
    @pytest.mark.parametrize("overrides", [with_ring(RING)])
    async def test_verify_the_tokens_of_the_service(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        answer = await client.get("http://test/.well-known/jwks.json")

        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        keys = KeySet.import_key_set(answer.json())
        token = jwt.decode(
            user.tokens["access_token"], keys, algorithms=["ES256", "Ed25519"]
        )
        assert token.claims["sub"] == user.user_id
        assert [key["kid"] for key in answer.json()["keys"]] == [
            entry["kid"] for entry in RING
        ]
        for entry in RING:
            assert entry["private_jwk"]["d"] not in answer.text

    async def test_do_not_exist_if_a_secret_signs(self, client: Client) -> None:
        answer = await client.get("http://test/.well-known/jwks.json")

        assert (answer.status_code, answer.json()["code"]) == (404, "no_public_keys")


class TestSigningKeySettings:
    @pytest.mark.parametrize(
        "ring", ["nonsense", "[]", json.dumps([RING[0] | {"state": "next"}])]
    )
    def test_are_refused_if_the_ring_cannot_sign(self, ring: str) -> None:
        with pytest.raises(ValueError, match="signing_keys") as refusal:
            Settings(_env_file=None, signing_keys=ring)

        assert RING[0]["private_jwk"]["d"] not in str(refusal.value)
