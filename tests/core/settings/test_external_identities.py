"""`OIDC_PROVIDERS`: presets, and values with which the service does not start."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import make_settings

SECRET = "the-s3cret-of-the-client"
GOOD = {
    "name": "acme",
    "issuer": "https://id.example.com",
    "client_id": "app",
    "client_secret": SECRET,
}


def refusal(text: object, **settings: Any) -> str:
    """Return the problem of `OIDC_PROVIDERS`. The problem must not show a secret."""
    with pytest.raises(ValidationError) as refused:
        make_settings(oidc_providers=text, **settings)
    [problem] = [each for each in refused.value.errors() if "oidc" in str(each["loc"])]
    assert SECRET not in str(problem["msg"])
    return str(problem["msg"])


@pytest.mark.parametrize(
    ("providers", "problem"),
    [
        ([GOOD, GOOD], "names the provider acme twice"),
        ([{**GOOD, "issuer": "http://id.example.com"}], "https URLs for acme"),
        ([{**GOOD, "issuer": "https://"}], "https URLs for acme"),
        ([{**GOOD, "redirect_uri": "http://app.example.com"}], "https URLs for acme"),
        ([{**GOOD, "client_secret": ""}], "no client_secret for acme"),
        ([{**GOOD, "name": "Acme/.."}], "members: 0.name"),
        ([{**GOOD, "isuer": "x"}], "members: 0.isuer"),
        ([GOOD, {"name": "other"}], "1.client_id, 1.client_secret, 1.discovery"),
        ([{**GOOD, "preset": "myspace"}], "members: 0.preset"),
        ([7], "JSON list"),
        ({"name": "acme"}, "JSON list"),
        ("{", "JSON list"),
    ],
)
def test_an_unsafe_or_incomplete_provider_is_refused(
    providers: Any, problem: str
) -> None:
    text = providers if isinstance(providers, str) else json.dumps(providers)

    assert problem in refusal(text)


def test_http_is_accepted_only_for_localhost_in_development() -> None:
    """Mutant: accept an http issuer on localhost also outside development."""
    local = json.dumps([{**GOOD, "issuer": "http://localhost:8080/realms/a"}])

    make_settings(oidc_providers=local)

    assert "https URLs" in refusal(local, environment="staging")


def test_a_preset_needs_only_the_client() -> None:
    client = {"client_id": "app", "client_secret": SECRET}
    tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
    settings = make_settings(
        oidc_providers=json.dumps(
            [
                {"name": "google", "preset": "google", **client},
                {"name": "github", "preset": "github", **client},
                {"name": "work", "preset": "entra", "tenant": tenant, **client},
                {"name": "any", "preset": "entra", "title": "Any", **client},
                GOOD,
            ]
        )
    )

    google, github, work, every, acme = settings.providers
    login = "https://login.microsoftonline.com"
    assert (google.title, google.issuer) == ("Google", "https://accounts.google.com")
    assert github.scopes == ("read:user", "user:email")
    assert work.issuer == work.discovery == f"{login}/{tenant}/v2.0"
    assert every.discovery == f"{login}/organizations/v2.0"
    assert every.issuer == f"{login}/{{tenantid}}/v2.0"
    assert every.title == "Any"
    assert (acme.title, acme.discovery) == ("Acme", GOOD["issuer"])
    trust = [each.trusts_email for each in settings.providers]
    assert trust == [True, True, True, True, False]
    assert SECRET not in repr(settings)
