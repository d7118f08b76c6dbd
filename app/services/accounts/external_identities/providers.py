"""The providers of `OIDC_PROVIDERS`, and what they say about a person."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from app.core.email_address import parse_email
from app.core.errors import NotFound, Unauthorized, Unavailable
from app.core.settings.external_identities import Provider
from app.core.settings.mail import MailSettings
from app.schemas.base import Line
from app.services.accounts.external_identities.attempts import Attempt

NAME = TypeAdapter(Line)
LONGEST_SUBJECT = 255  # OpenID Connect Core §2


class ProviderNotFound(NotFound):
    """No provider has this name."""

    code = "provider_not_found"
    detail = "No provider has this name."


class ProviderUnavailable(Unavailable):
    """The sign-in provider does not answer. `Retry-After` says how long to wait."""

    code = "provider_unavailable"
    detail = "The provider does not answer. Start again in 5 s."
    headers = MappingProxyType({"Retry-After": "5"})


class ProviderAnswerInvalid(Unauthorized):
    """The answer of the provider does not prove who the caller is."""

    code = "provider_answer_invalid"
    detail = "The answer of the provider does not prove who you are. Start again."
    keeps_changes = True  # the audit event

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason  # for the audit trail; clients never see it


@dataclass(frozen=True, slots=True)
class Person:
    """Who has signed in at a provider. `issuer` and `subject` identify the person."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None
    methods: tuple[str, ...]  # `fed`, and values of RFC 8176


class ProviderClient(Protocol):
    provider: Provider

    async def authorization_url(self, attempt: Attempt) -> str:
        """Return the URL to which the client sends the browser."""

    async def identify(self, code: str, iss: str | None, attempt: Attempt) -> Person:
        """Exchange the code for proof of who has signed in.

        Raises:
            ProviderAnswerInvalid: The answer does not prove who has signed in.
            ProviderUnavailable: The provider did not answer in time.
        """


class Providers(dict[str, ProviderClient]):
    """The clients of all providers by name, in the order of the settings."""

    def __missing__(self, name: str) -> ProviderClient:
        raise ProviderNotFound


def make_providers(
    providers: tuple[Provider, ...], mail: MailSettings, *, local: bool
) -> Providers:
    """Make the clients. With `local`, `http` URLs on this machine count as safe."""
    clients = Providers()
    if not providers:
        return clients
    # Imported here, so that a service without providers does not load the libraries.
    from app.services.accounts.external_identities.fetching import Fetcher
    from app.services.accounts.external_identities.github import GitHubClient
    from app.services.accounts.external_identities.openid import OpenIDClient

    fetcher = Fetcher(local=local)
    page = f"{mail.public_base_url.rstrip('/')}/account/sign-in"
    for provider in providers:
        redirect_uri = provider.redirect_uri or f"{page}/{provider.name}"
        kind = GitHubClient if provider.preset == "github" else OpenIDClient
        clients[provider.name] = kind(provider, redirect_uri, fetcher)
    return clients


def make_person(
    provider: Provider,
    issuer: str,
    subject: object,
    *,
    email: object,
    verified: bool,
    name: object,
    methods: tuple[str, ...] = (),
) -> Person:
    """Check what a provider sent, which can be any JSON.

    An e-mail address or a name that cannot be stored becomes None.

    Raises:
        ProviderAnswerInvalid: The subject cannot be stored.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise ProviderAnswerInvalid("subject")
    if not subject.isprintable():
        raise ProviderAnswerInvalid("subject")
    address = parsed(email)
    return Person(
        provider=provider.name,
        issuer=issuer,
        subject=subject,
        email=address,
        email_verified=address is not None and verified and provider.trusts_email,
        name=one_line(name),
        methods=("fed", *methods),
    )


def parsed(email: object) -> str | None:
    try:
        return parse_email(email).email if isinstance(email, str) else None
    except ValueError:
        return None


def one_line(name: Any) -> str | None:
    try:
        return NAME.validate_python(name, strict=True)
    except ValidationError:
        return None
