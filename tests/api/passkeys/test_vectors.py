"""Published test vectors of other authenticators, sent over HTTP.

The tests store the challenges of the vectors in the table, because the service would
make other challenges.
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.db.base import utc_now
from app.db.models.passkey import Passkey, PasskeyChallenge
from app.db.session import transaction
from app.services.passkeys.challenges import LIFETIME, challenge_in, decode
from tests.support.people import Client

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
Vector = dict[str, Any]


def a_challenge(vector: Vector, ceremony: str, holder: bytes) -> PasskeyChallenge:
    return PasskeyChallenge(
        challenge=challenge_in(vector["response"]["clientDataJSON"]),
        ceremony=ceremony,
        bound_to=hashlib.sha256(holder).digest(),
        user_handle=b"handle",
        expires_at=utc_now() + LIFETIME,
    )


def a_credential(vector: Vector) -> Vector:
    return {
        "id": vector["id"],
        "rawId": vector["id"],
        "type": "public-key",
        "response": vector["response"],
    }


@pytest.fixture
def overrides(vector: Vector) -> dict[str, Any]:
    return {
        "passkey_rp_id": vector["rp_id"],
        "passkey_origins": [vector["origin"]],
    }


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestVectors:
    @pytest.mark.parametrize(
        "vector", VECTORS["registration"], ids=lambda vector: vector["source"]
    )
    async def test_of_a_registration_are_accepted(
        self, app: FastAPI, user: Client, vector: Vector
    ) -> None:
        session_id = app.state.shared.access_tokens.verify(
            user.tokens["access_token"]
        ).sid
        async with transaction(app.state.shared.database) as session:
            session.add(a_challenge(vector, "registration", session_id.bytes))

        body = {"name": "Vector", "credential": a_credential(vector)}
        answer = await user.post("/auth/passkeys", json=body)

        assert answer.status_code == 201, answer.text

    @pytest.mark.parametrize(
        "vector", VECTORS["login"], ids=lambda vector: vector["source"]
    )
    async def test_of_a_login_are_accepted_if_the_user_was_verified(
        self, app: FastAPI, user: Client, client: Client, vector: Vector
    ) -> None:
        async with transaction(app.state.shared.database) as session:
            session.add(a_challenge(vector, "login", b""))
            session.add(
                Passkey(
                    user_id=UUID(user.user_id),
                    user_handle=decode(vector["response"]["userHandle"]),
                    credential_id=decode(vector["id"]),
                    public_key=decode(vector["public_key"]),
                    sign_count=vector["sign_count"],
                    backup_eligible=vector["backup_eligible"],
                    backed_up=False,
                    aaguid=UUID(int=0),
                    transports="",
                    name="Vector",
                )
            )

        body = {"credential": a_credential(vector)}
        answer = await client.post("/auth/passkeys/login", json=body)

        assert answer.status_code == (200 if vector["accepted"] else 401)
