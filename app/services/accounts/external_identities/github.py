"""Sign-in with GitHub, which supports OAuth 2.0 but not OpenID Connect."""

from typing import Any

from app.services.accounts.external_identities.attempts import Attempt
from app.services.accounts.external_identities.exchange import CodeFlow
from app.services.accounts.external_identities.providers import (
    Person,
    ProviderAnswerInvalid,
    make_person,
)

ISSUER = "https://github.com/login/oauth"
API = "https://api.github.com"


class GitHubClient(CodeFlow):
    """Signs in with GitHub, or with the GitHub Enterprise server of the issuer."""

    async def authorization_url(self, attempt: Attempt) -> str:
        return self.url(f"{self.provider.issuer}/authorize", attempt)

    async def identify(self, code: str, iss: str | None, attempt: Attempt) -> Person:
        if iss not in {None, self.provider.issuer}:
            raise ProviderAnswerInvalid("iss")
        metadata = {
            "token_endpoint": f"{self.provider.issuer}/access_token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        answer = await self.exchange(metadata, code, attempt)
        token = answer.get("access_token")
        user = await self._get("/user", token)
        emails = await self._get("/user/emails", token)
        if not isinstance(user, dict) or not isinstance(emails, list):
            raise ProviderAnswerInvalid("API")
        found = (each for each in emails if isinstance(each, dict))
        email = next((each for each in found if each.get("primary")), {})
        number = user.get("id")  # another person can get the login name, but not the id
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
