"""The authorization code flow with PKCE, for all providers (RFC 6749 §4.1)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.core.settings.external_identities import Provider
from app.services.accounts.external_identities.attempts import Attempt
from app.services.accounts.external_identities.fetching import Fetcher
from app.services.accounts.external_identities.providers import ProviderAnswerInvalid

ERROR = re.compile(r"[a-z_]{1,40}")


@dataclass
class CodeFlow:
    """Sends the browser to a provider, and exchanges the code that the browser gets."""

    provider: Provider
    redirect_uri: str
    fetcher: Fetcher

    def url(self, endpoint: str, attempt: Attempt, **more: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
            **more,
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def exchange(
        self, metadata: dict[str, Any], code: str, attempt: Attempt
    ) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        name, secret = self.provider.name, self.provider.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        credentials = (self.provider.client_id, secret.get_secret_value())
        options: dict[str, Any] = {"headers": {"Accept": "application/json"}}
        # If the provider lists no methods, it accepts only `client_secret_basic`
        # (OpenID Discovery §3).
        known = metadata.get("token_endpoint_auth_methods_supported")
        if not isinstance(known, list) or "client_secret_basic" in known:
            options["auth"] = tuple(quote(part, safe="") for part in credentials)
        else:
            form["client_id"], form["client_secret"] = credentials
        status, answer = await self.fetcher.json(
            name, "POST", metadata["token_endpoint"], data=form, **options
        )
        # GitHub answers an invalid code with 200 and the member `error`.
        if status != 200 or not isinstance(answer, dict) or "error" in answer:
            error = answer.get("error") if isinstance(answer, dict) else None
            known_error = isinstance(error, str) and ERROR.fullmatch(error)
            raise ProviderAnswerInvalid(f"exchange: {error if known_error else status}")
        return answer
