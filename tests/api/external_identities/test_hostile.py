"""Lies of providers and of other attackers. Each lie is refused and recorded."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.external_identity import ExternalIdentity, ExternalSignIn
from app.db.models.user import User
from app.db.session import transaction
from tests.api.external_identities.browser import (
    ADA,
    PROVIDER,
    begin,
    consented,
    finish,
    sign_in,
)
from tests.api.external_identities.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    new_key,
)
from tests.api.external_identities.test_signing_in import count, reasons
from tests.support.people import Client, People

INVALID = "provider_answer_invalid"
UNSUPPORTED = "ID token: UnsupportedAlgorithmError"
DISCOVERY = "/.well-known/openid-configuration"
WRONG: list[tuple[str, Any]] = [  # "" leaves the claim out
    ("iss", "https://evil.example.com"),
    ("iss", ""),
    ("aud", "another-app"),
    ("aud", ["another-app"]),
    ("aud", ""),
    ("azp", "another-app"),
    ("nonce", "of another sign-in"),
    ("nonce", ""),
    ("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
    ("exp", 1_000_000_000),
    ("exp", ""),
    ("iat", 9_000_000_000),
    ("iat", ""),
    ("sub", ""),
]
UNSAFE: list[tuple[str, Any]] = [
    ("issuer", "https://evil.example.com"),
    ("authorization_endpoint", "http://evil.example.com/authorize"),
    ("authorization_endpoint", "javascript:alert(1)"),
    ("authorization_endpoint", "https://[evil"),
    ("authorization_endpoint", 7),
    ("token_endpoint", "http://169.254.169.254/latest"),
    ("token_endpoint", None),
    ("jwks_uri", "http://169.254.169.254/latest"),
    ("userinfo_endpoint", "http://169.254.169.254/latest"),
]
FAILURES: list[tuple[int, Any]] = [
    (500, {}),
    (302, {}),
    (200, b"<html>"),
    (200, []),
]


async def refused(
    app: FastAPI, client: Client, provider: Provider, **person: Any
) -> str:
    """Sign in, expect a refusal that changes nothing, and return the reason."""
    answer = await sign_in(client, provider, **person)

    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == INVALID
    assert await count(app, User) == await count(app, ExternalIdentity) == 0
    return (await reasons(app))[-1]


class TestIdToken:
    async def test_with_a_wrong_or_missing_claim_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: leave out the check of any of these claims."""
        for claim, value in WRONG:
            provider.claims = {claim: value}

            reason = await refused(app, client, provider)

            assert reason.startswith("ID token: "), (claim, value)
            assert reason.endswith(claim), (claim, value)

    async def test_for_several_audiences_needs_an_authorised_party(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: accept a token that the provider issued for another client."""
        provider.claims["aud"] = [CLIENT_ID, "another-app"]

        assert (await refused(app, client, provider)).endswith("azp")
        provider.claims["azp"] = CLIENT_ID
        assert (await sign_in(client, provider)).status_code == 200

    async def test_without_a_signature_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: accept `none`, even if the provider announces it.

        The test compares the reason, because joserfc only warns about `none`. In tests,
        each warning is an error, so the mutant would be refused for that reason.
        """
        provider.algorithm = "none"
        provider.metadata["id_token_signing_alg_values_supported"] = ["none"]

        assert await refused(app, client, provider) == UNSUPPORTED

    async def test_signed_with_a_key_that_others_know_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutants: accept HS256; let joserfc choose if there is no common algorithm.

        With the public key as the key of an HMAC, anyone can sign (RFC 8725 §2.1).
        """
        provider.algorithm = "HS256"
        provider.metadata["id_token_signing_alg_values_supported"] = ["HS256"]
        public = provider.key.as_pem(private=False)
        for known in (public, CLIENT_SECRET.encode()):
            provider.known = known

            assert await refused(app, client, provider) == UNSUPPORTED

    async def test_of_an_algorithm_that_was_not_announced_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: accept every algorithm that is safe for another provider."""
        provider.metadata["id_token_signing_alg_values_supported"] = ["RS256"]

        assert await refused(app, client, provider) == UNSUPPORTED

    async def test_signed_with_another_key_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: do not check the signature."""
        kid = provider.key.kid
        provider.key = new_key()
        provider.header["kid"] = kid

        assert "BadSignature" in await refused(app, client, provider)

    async def test_that_embeds_its_own_key_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: verify with the key in the header of the token (RFC 8725 §3.10)."""
        provider.key = new_key()
        provider.header["jwk"] = provider.key.as_dict(private=False)

        assert await refused(app, client, provider) in {
            "key",
            "ID token: ExceededSizeError",
        }

    async def test_that_is_not_a_token_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        for token in ("", "a.b.c", "." * 9, "a" * 20_000, 7, None):
            tokens = {"access_token": "x", "id_token": token}
            provider.answers["/token"] = (200, tokens)

            await refused(app, client, provider)


class TestKeyRotation:
    async def test_is_followed_at_once(
        self, client: Client, provider: Provider
    ) -> None:
        """Mutant: keep the keys for an hour, even if a token names a new key."""
        assert (await sign_in(client, provider)).status_code == 200
        provider.keys = [new_key()]
        provider.key = provider.keys[0]

        assert (await sign_in(client, provider)).status_code == 200
        assert provider.asked["/keys"] == 2

    async def test_with_invented_names_does_not_read_the_keys_each_time(
        self, client: Client, provider: Provider
    ) -> None:
        """Mutant: read the keys again for every unknown name of a key."""
        for number in range(4):
            provider.header["kid"] = f"invented-{number}"
            answer = await sign_in(client, provider)
            assert answer.json()["code"] == INVALID

        assert provider.asked["/keys"] == 2
        provider.header.clear()
        assert (await sign_in(client, provider)).status_code == 200


class TestCode:
    async def test_that_was_used_before_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        stolen = await consented(client, provider)
        assert (await finish(client, stolen)).status_code == 200
        body = await consented(client, provider)

        answer = await finish(client, {**body, "code": stolen["code"]})

        assert answer.json()["code"] == INVALID
        assert await reasons(app) == ["exchange: invalid_grant"]

    async def test_of_another_sign_in_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """An attacker uses a stolen code in a sign-in of their own.

        Mutant: send no PKCE verifier.
        """
        stolen = await consented(client, provider)
        mine = await begin(client)
        state = parse_qs(urlsplit(mine["authorization_url"]).query)["state"][0]
        body = {**stolen, "transaction": mine["transaction"], "state": state}

        answer = await finish(client, body)

        assert answer.json()["code"] == INVALID
        assert await reasons(app) == ["exchange: invalid_grant"]


class TestCrossSiteRequest:
    async def test_with_the_code_of_an_attacker_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """A link of the attacker would sign the victim in to the attacker's account.

        Mutant: do not compare the state with the transaction of the browser.
        """
        attackers = await consented(client, provider, sub="attacker")
        mine = await begin(client)

        answer = await finish(client, {**attackers, "transaction": mine["transaction"]})

        assert answer.status_code == 400
        assert answer.json()["code"] == "sign_in_expired"
        assert provider.asked["/token"] == 0
        assert await count(app, ExternalSignIn) == 2

    @pytest.mark.parametrize("transaction", ["", "app_vt_x"])
    async def test_without_the_transaction_is_refused(
        self, client: Client, provider: Provider, transaction: str
    ) -> None:
        body = await consented(client, provider)

        answer = await finish(client, {**body, "transaction": transaction})

        assert answer.json()["code"] == "sign_in_expired"
        assert provider.asked["/token"] == 0

    async def test_that_comes_too_late_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: ignore `expires_at`."""
        body = await consented(client, provider)
        async with transaction(app.state.shared.database) as session:
            await session.execute(update(ExternalSignIn).values(expires_at=utc_now()))

        answer = await finish(client, body)

        assert answer.json()["code"] == "sign_in_expired"

    async def test_cannot_turn_a_sign_in_into_a_link_or_a_link_into_a_sign_in(
        self, client: Client, user: Client, people: People, provider: Provider
    ) -> None:
        """Mutant: do not compare the account for which the client began the sign-in."""
        visitor = await consented(client, provider)
        linking = await consented(user, provider, "identities")
        stranger = await people.sign_in()

        answers = [
            await finish(user, visitor, "identities"),
            await finish(stranger, linking, "identities"),
            await finish(client, linking),
        ]

        assert {each.json()["code"] for each in answers} == {"sign_in_expired"}
        assert provider.asked["/token"] == 0


class TestMixUp:
    async def test_of_two_providers_is_refused_by_the_issuer_of_the_answer(
        self, app: FastAPI, client: Client, provider: Provider, other: Provider
    ) -> None:
        """Mutant: ignore `iss` (RFC 9207), so that a provider gets another's code."""
        body = await consented(client, provider)

        answer = await finish(client, {**body, "iss": other.issuer})

        assert answer.json()["code"] == INVALID
        assert await reasons(app) == ["iss"]
        assert provider.asked["/token"] == other.asked["/token"] == 0

    async def test_is_refused_if_the_provider_leaves_out_the_issuer_it_announced(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        body = await consented(client, provider)
        del body["iss"]

        assert (await finish(client, body)).json()["code"] == INVALID
        assert await reasons(app) == ["iss"]

    async def test_sends_no_code_to_a_provider_other_than_that_of_the_sign_in(
        self, client: Client, provider: Provider, other: Provider
    ) -> None:
        """Mutant: find the transaction without the name of the provider."""
        body = await consented(client, provider)

        answer = await finish(client, body, name="other")

        assert answer.json()["code"] == "sign_in_expired"
        assert other.asked["/token"] == 0

    async def test_of_identities_is_refused_by_the_provider_in_the_key(
        self, app: FastAPI, client: Client, provider: Provider, other: Provider
    ) -> None:
        """The same subject at another provider is another person.

        Mutant: find an identity by its subject alone. The test compares the reason,
        because a later check also refuses this sign-in.
        """
        await sign_in(client, provider)
        started = (await client.post("/auth/providers/other/start")).json()
        stranger = {"sub": ADA["sub"], "email_verified": False}
        answer = other.consent(started["authorization_url"], **stranger)

        finished = await finish(
            client, {"transaction": started["transaction"], **answer}, name="other"
        )

        assert finished.json()["code"] == "identity_unknown"
        assert await reasons(app) == ["the provider has not verified the address"]


class TestUserinfo:
    async def test_is_asked_for_an_address_that_the_token_lacks(
        self, client: Client, provider: Provider
    ) -> None:
        provider.in_userinfo = True

        assert (await sign_in(client, provider)).status_code == 200
        assert provider.asked["/userinfo"] == 1

    async def test_of_another_person_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: do not compare the subjects (OpenID Connect Core §5.3.2)."""
        provider.in_userinfo = True
        provider.answers["/userinfo"] = (200, {**ADA, "sub": "another"})

        assert await refused(app, client, provider) == "userinfo"


class TestDiscovery:
    async def test_of_another_issuer_or_with_an_unsafe_url_begins_nothing(
        self, client: Client, provider: Provider
    ) -> None:
        """Mutants: accept any issuer; send browsers, codes or secrets to any URL."""
        own = provider.discovery()
        for name, value in UNSAFE:
            wrong = {**own, name: value}
            provider.answers[DISCOVERY] = (200, wrong)

            answer = await client.post(f"/auth/providers/{PROVIDER}/start")

            assert answer.json()["code"] == "provider_unavailable", (name, value)
        provider.answers.clear()
        assert (await sign_in(client, provider)).status_code == 200


class TestProviderThatFails:
    @pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
    async def test_causes_a_503_until_it_works_again(
        self, client: Client, provider: Provider, path: str
    ) -> None:
        """Mutants: follow redirects; read answers of any size; keep a bad document."""
        _, own = provider.answer(path, {}, "")
        too_large = json.dumps(own).encode() + b" " * 300_000
        for failure in (*FAILURES, (200, too_large)):
            provider.answers[path] = failure
            if path == "/keys":
                failed = await sign_in(client, provider)
            else:
                failed = await client.post(f"/auth/providers/{PROVIDER}/start")

            assert failed.status_code == 503, failure
            assert failed.json()["code"] == "provider_unavailable"
            assert failed.headers["retry-after"] == "5"
        assert provider.asked["/elsewhere"] == 0
        provider.answers.clear()
        assert (await sign_in(client, provider)).status_code == 200
