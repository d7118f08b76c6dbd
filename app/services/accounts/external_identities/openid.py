"""Sign-in with OpenID Connect: the authorization code flow with PKCE."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from app.core.settings.external_identities import TENANT, Provider
from app.services.accounts.external_identities.attempts import Attempt
from app.services.accounts.external_identities.exchange import CodeFlow
from app.services.accounts.external_identities.id_token import KeyUnknown, verify
from app.services.accounts.external_identities.providers import (
    Person,
    ProviderAnswerInvalid,
    ProviderUnavailable,
    make_person,
)

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# The service reads discovery documents and keys again when they are older than this.
REREAD_SECONDS = 3600
# An unknown key makes the service read the keys again, at most once in this time.
PAUSE_SECONDS = 60
# The values of RFC 8176 that the service keeps from the claim `amr` of a provider.
METHODS = {"face", "fpt", "hwk", "iris", "mca", "mfa", "otp", "pin", "pop", "pwd"}
METHODS |= {"sc", "sms", "swk", "tel", "user"}


@dataclass
class Document:
    """A JSON document of the provider, kept until it is too old."""

    content: dict[str, Any] = field(default_factory=dict)
    read_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class OpenIDClient(CodeFlow):
    discovery: Document = field(default_factory=Document)
    keys: Document = field(default_factory=Document)
    asked_again_at: float = float("-inf")

    async def authorization_url(self, attempt: Attempt) -> str:
        metadata = await self.metadata()
        endpoint = metadata["authorization_endpoint"]
        return self.url(endpoint, attempt, nonce=attempt.nonce)

    async def identify(self, code: str, iss: str | None, attempt: Attempt) -> Person:
        metadata = await self.metadata()
        self._check_issuer(iss, metadata)
        answer = await self.exchange(metadata, code, attempt)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise ProviderAnswerInvalid("tokens")
        claims = await self._verify(id_token, access_token, attempt.nonce, metadata)
        about = await self._about(metadata, access_token, claims)
        given = claims.get("amr") if self.provider.trusts_amr else ()
        methods = given if isinstance(given, list) else ()
        return make_person(
            self.provider,
            claims["iss"],
            claims["sub"],
            email=about.get("email"),
            verified=says_verified(self.provider, about),
            name=claims.get("name", about.get("name")),
            methods=tuple(each for each in sorted(METHODS) if each in methods),
        )

    async def metadata(self) -> dict[str, Any]:
        """Return the discovery document. It must name the issuer of the settings."""
        url = f"{self.provider.discovery}/.well-known/openid-configuration"
        return await self._read(self.discovery, url, self._check_metadata)

    def _check_metadata(self, metadata: dict[str, Any]) -> None:
        if metadata.get("issuer") != self.provider.issuer:
            raise ValueError("the discovery document names another issuer")
        for name in ENDPOINTS:
            self.fetcher.check_url(metadata.get(name))
        self.fetcher.check_url(metadata.get("userinfo_endpoint", self.provider.issuer))

    def _check_issuer(self, iss: str | None, metadata: Mapping[str, Any]) -> None:
        """Refuse a code that another provider has issued (RFC 9207 §2.4)."""
        announced = metadata.get("authorization_response_iss_parameter_supported")
        if iss is None and announced is not True:
            return
        if iss != self.provider.issuer and TENANT not in self.provider.issuer:
            raise ProviderAnswerInvalid("iss")

    async def _verify(
        self, id_token: str, access_token: str, nonce: str, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        for again in (False, True):
            keys = await self._read(self.keys, metadata["jwks_uri"], again=again)
            try:
                return verify(
                    self.provider, metadata, keys, id_token, access_token, nonce
                )
            except KeyUnknown:
                # The provider has a new key, or an attacker has invented the name of a
                # key.
                if again or monotonic() - self.asked_again_at < PAUSE_SECONDS:
                    break
                self.asked_again_at = monotonic()
        raise ProviderAnswerInvalid("key")

    async def _about(
        self, metadata: dict[str, Any], access_token: str, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Return claims with the e-mail address of the person.

        If the ID token has no address, ask the provider (OpenID Connect Core §5.3).
        """
        if "email" in claims or "userinfo_endpoint" not in metadata:
            return claims
        bearer = {"Authorization": f"Bearer {access_token}"}
        about = await self._fetch(metadata["userinfo_endpoint"], headers=bearer)
        if about.get("sub") != claims["sub"]:  # another person (§5.3.2)
            raise ProviderAnswerInvalid("userinfo")
        return about

    async def _read(
        self,
        document: Document,
        url: str,
        check: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        again: bool = False,
    ) -> dict[str, Any]:
        async with document.turn:
            if again or monotonic() - document.read_at > REREAD_SECONDS:
                content = await self._fetch(url)
                with self.fetcher.failing(self.provider.name):
                    check(content)
                document.content, document.read_at = content, monotonic()
        return document.content

    async def _fetch(self, url: str, **options: Any) -> dict[str, Any]:
        name = self.provider.name
        status, answer = await self.fetcher.json(name, "GET", url, **options)
        if status != 200 or not isinstance(answer, dict):
            raise ProviderUnavailable
        return answer


def says_verified(provider: Provider, claims: Mapping[str, Any]) -> bool:
    """Whether the provider has checked that the person owns the e-mail address."""
    if provider.preset == "entra":
        # The administrator of a directory can enter any address, also one of another
        # company. Only this claim says that Microsoft has checked the domain.
        return claims.get("xms_edov") in (True, "1", "true")
    verified = claims.get("email_verified") is True
    if provider.preset == "google":
        # Google knows who owns an address only if it is a Gmail or Workspace address.
        email = str(claims.get("email", "")).lower()
        return verified and (email.endswith("@gmail.com") or bool(claims.get("hd")))
    return verified
