"""Sign-in with GitHub, which has OAuth 2.0 without OpenID Connect."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.core.settings.external_identities import Provider
from app.services.accounts.external_identities.attempts import Attempt
from app.services.accounts.external_identities.exchange import exchange
from app.services.accounts.external_identities.fetching import Fetcher
from app.services.accounts.external_identities.providers import (
    Person,
    ProviderAnswerInvalid,
    make_person,
)

ISSUER = "https://github.com/login/oauth"
API = "https://api.github.com"


@dataclass
class GitHubClient:
    """Signs in with GitHub, or with the GitHub Enterprise server of the issuer."""

    provider: Provider
    redirect_uri: str
    fetcher: Fetcher

    async def authorization_url(self, attempt: Attempt) -> str:
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.provider.issuer}/authorize?{urlencode(query)}"

    async def identify(self, code: str, iss: str | None, attempt: Attempt) -> Person:
        if iss not in {None, self.provider.issuer}:
            raise ProviderAnswerInvalid("iss")
        metadata = {
            "token_endpoint": f"{self.provider.issuer}/access_token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        answer = await exchange(self, metadata, code, attempt.verifier)
        token = answer.get("access_token")
        user = await self._get("/user", token)
        emails = await self._get("/user/emails", token)
        if not isinstance(user, dict) or not isinstance(emails, list):
            raise ProviderAnswerInvalid("API")
        primary = [
            each for each in emails if isinstance(each, dict) and each.get("primary")
        ]
        email: dict[str, Any] = primary[0] if primary else {}
        number = user.get("id")  # a login can change hands, an id cannot
        return make_person(
            self.provider,
            self.provider.issuer,
            str(number) if isinstance(number, int) else None,
            email=email.get("email"),
            verified=email.get("verified") is True,
            name=user.get("name"),
        )

    async def _get(self, path: str, token: object) -> Any:
        root = self.provider.issuer.removesuffix("/login/oauth")
        api = API if self.provider.issuer == ISSUER else f"{root}/api/v3"
        status, answer = await self.fetcher.json(
            self.provider.name,
            "GET",
            f"{api}{path}",
            headers={"Authorization": f"Bearer {token}"},
        )
        if status != 200:
            raise ProviderAnswerInvalid(f"API: status {status}")
        return answer
