"""Rules for GitHub, Google and Microsoft Entra, and for the trust in `amr`."""

import json
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from app.core.settings.external_identities import parse_providers
from app.db.models.auth_session import AuthSession
from app.db.session import transaction
from app.services.accounts.external_identities.openid import says_verified
from tests.api.external_identities.browser import ADA, PROVIDER, authorize, sign_in
from tests.api.external_identities.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
)
from tests.api.external_identities.test_signing_in import reasons
from tests.support.people import Client

CREDENTIALS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


class TestGitHub:
    @pytest.fixture
    def entries(self, provider: Provider) -> list[dict[str, Any]]:
        issuer = f"{provider.url}/login/oauth"
        provider.issuer = issuer
        return [{"name": PROVIDER, "preset": "github", "issuer": issuer, **CREDENTIALS}]

    @pytest.mark.parametrize(
        ("emails", "status"),
        [
            ([{"email": ADA["email"], "primary": True, "verified": True}], 200),
            ([{"email": ADA["email"], "primary": True, "verified": False}], 401),
            ([{"email": ADA["email"], "primary": False, "verified": True}], 401),
            ([], 401),
        ],
    )
    async def test_counts_only_the_primary_address_if_it_is_verified(
        self,
        client: Client,
        provider: Provider,
        emails: list[dict[str, Any]],
        status: int,
    ) -> None:
        """Mutants: take any address of the list; take an unverified address."""
        answer = await sign_in(client, provider, sub="583231", emails=emails)

        assert answer.status_code == status
        if status == 200:
            me = (await authorize(client, answer).get("/users/me")).json()
            assert me["email"] == ADA["email"]

    async def test_refuses_a_code_that_was_used(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """GitHub answers an invalid code with 200 and the member `error`."""
        wrong = {"error": "bad_verification_code"}
        provider.answers["/login/oauth/access_token"] = (200, wrong)

        answer = await sign_in(client, provider, sub="583231")

        assert answer.json()["code"] == "provider_answer_invalid"
        assert await reasons(app) == ["exchange: bad_verification_code"]


class TestEntra:
    TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"

    @pytest.fixture
    def entries(self, provider: Provider) -> list[dict[str, Any]]:
        """A provider for all directories. Each token names one directory."""
        provider.issuer = f"{provider.url}/{{tenantid}}/v2.0"
        provider.claims["iss"] = f"{provider.url}/{self.TENANT}/v2.0"
        provider.claims["tid"] = self.TENANT
        provider.metadata["authorization_response_iss_parameter_supported"] = False
        place = {"issuer": provider.issuer, "discovery": provider.url}
        return [{"name": PROVIDER, "preset": "entra", **place, **CREDENTIALS}]

    @pytest.mark.parametrize(
        ("claims", "status"),
        [
            ({"xms_edov": True}, 200),
            ({"xms_edov": "1"}, 200),
            ({"xms_edov": False}, 401),
            ({"xms_edov": [True]}, 401),
            ({"email_verified": True}, 401),
        ],
    )
    async def test_counts_an_address_only_if_its_domain_is_verified(
        self, client: Client, provider: Provider, claims: dict[str, Any], status: int
    ) -> None:
        """Mutant: trust `email`, which the administrator of any directory can set."""
        provider.claims |= {"email_verified": "", **claims}

        assert (await sign_in(client, provider)).status_code == status

    @pytest.mark.parametrize(
        "claims",
        [
            {"tid": str(uuid4())},
            {"tid": "../evil"},
            {"tid": ""},
            {"iss": "https://evil.example.com"},
        ],
    )
    async def test_refuses_an_issuer_of_another_directory(
        self, app: FastAPI, client: Client, provider: Provider, claims: dict[str, str]
    ) -> None:
        """Mutant: do not check the issuer of a provider for all directories."""
        provider.claims |= {"xms_edov": True, **claims}

        answer = await sign_in(client, provider)

        assert answer.json()["code"] == "provider_answer_invalid"

    async def test_refuses_a_key_of_another_directory(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: let a key sign for every directory."""
        key = provider.key.as_dict(private=False)
        key["issuer"] = f"{provider.url}/{uuid4()}/v2.0"
        provider.answers["/keys"] = (200, {"keys": [key]})

        await sign_in(client, provider)

        assert await reasons(app) == ["key of another directory"]


class TestGoogle:
    @pytest.mark.parametrize(
        ("claims", "verified"),
        [
            ({"email": "ada@gmail.com", "email_verified": True}, True),
            ({"email": "ada@corp.org", "email_verified": True, "hd": "corp.org"}, True),
            ({"email": "ada@corp.org", "email_verified": True}, False),
            ({"email": "ada@gmail.com", "email_verified": False}, False),
            ({"email": "ada@gmail.com.evil.org", "email_verified": True}, False),
        ],
    )
    def test_is_trusted_only_for_mailboxes_that_it_hosts(
        self, claims: dict[str, Any], verified: bool
    ) -> None:
        """Mutant: trust Google about mailboxes of other companies."""
        entry = {"name": "google", "preset": "google", **CREDENTIALS}
        [google] = parse_providers(SecretStr(json.dumps([entry])))

        assert says_verified(google, claims) is verified


class TestMethods:
    @pytest.mark.parametrize(
        ("trusts_amr", "acr"), [({"trusts_amr": True}, "aal2"), ({}, "aal1")]
    )
    async def test_of_the_provider_count_only_if_the_settings_say_so(
        self,
        app: FastAPI,
        client: Client,
        provider: Provider,
        acr: str,
    ) -> None:
        """Mutant: trust every provider that reports a second factor."""
        person = {"amr": ["pwd", "mfa", "<script>"]}

        assert (await sign_in(client, provider, **person)).status_code == 200

        async with transaction(app.state.shared.database) as session:
            started = (await session.scalars(select(AuthSession))).one()
        assert started.acr == acr
        methods = {"fed", "pwd", "mfa"} if acr == "aal2" else {"fed"}
        assert set(started.amr.split()) == methods

    @pytest.fixture
    def entries(
        self, provider: Provider, trusts_amr: dict[str, bool]
    ) -> list[dict[str, Any]]:
        entry = {"name": PROVIDER, "issuer": provider.issuer, "trusts_email": True}
        return [{**entry, **CREDENTIALS, **trusts_amr}]
