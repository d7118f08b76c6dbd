"""Registration in the mode `open`."""

import pytest

from tests.support.people import Client

REGISTRATION = {"email": "Ada@Example.org", "password": "violet umbrella parade"}


class TestRegister:
    async def test_returns_the_account_without_its_password(
        self, client: Client
    ) -> None:
        response = await client.post("/auth/register", json=REGISTRATION)

        assert response.status_code == 201
        account = response.json()
        assert account["email"] == "Ada@example.org"
        assert (account["role"], account["is_active"]) == ("user", True)
        assert account["created_at"] == account["updated_at"]
        assert "password" not in response.text
        login = await client.post("/auth/login", json=REGISTRATION)
        assert login.status_code == 200

    async def test_refuses_an_address_that_differs_only_in_case(
        self, client: Client
    ) -> None:
        await client.post("/auth/register", json=REGISTRATION)

        response = await client.post(
            "/auth/register", json={**REGISTRATION, "email": "ADA@example.ORG"}
        )

        assert response.status_code == 409
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "email_taken"

    @pytest.mark.parametrize(
        ("field", "value", "pointer"),
        [
            ("password", "short", "#/password"),
            ("password", "passwordpassword", "#/password"),
            ("password", "x" * 1025, "#/password"),
            ("full_name", "x" * 1000, "#/full_name"),
            ("full_name", "\t", "#/full_name"),
            ("email", "no address", "#/email"),
            ("email", "x" * 255, "#/email"),
            ("role", "admin", "#"),  # only an administrator can set the last two
            ("is_active", True, "#"),
        ],
    )
    async def test_names_the_field_that_is_invalid(
        self, client: Client, field: str, value: object, pointer: str
    ) -> None:
        response = await client.post(
            "/auth/register", json={**REGISTRATION, field: value}
        )

        assert response.status_code == 422
        fault = response.json()["errors"][0]
        assert fault["pointer"] == pointer
        assert str(value) not in response.json()["detail"]
