"""Sign-in with other providers: which ones, and how far each is trusted."""

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from app.core.settings.base import AppSettings, is_local, refuse, split_url

Text = Annotated[str, Field(min_length=1, max_length=300)]
# The name of a provider is a part of paths.
NAME = r"^[a-z][a-z0-9-]{0,30}$"
# Entra replaces this part of the issuer's URL by the ID of the user's directory.
TENANT = "{tenantid}"


class Provider(BaseModel):
    """A provider of `OIDC_PROVIDERS`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=NAME)]
    preset: Literal["openid", "google", "entra", "keycloak", "github"] = "openid"
    issuer: Text
    discovery: Text  # the document is at `{discovery}/.well-known/openid-configuration`
    client_id: Text
    client_secret: SecretStr
    title: Text
    scopes: tuple[Text, ...] = ("openid", "email", "profile")
    redirect_uri: Text | None = None
    trusts_email: bool = False
    trusts_amr: bool = False


PRESETS: dict[str, dict[str, Any]] = {
    "google": {
        "title": "Google",
        "issuer": "https://accounts.google.com",
        "trusts_email": True,
    },
    "entra": {"title": "Microsoft", "trusts_email": True},
    "keycloak": {"trusts_email": True},
    "github": {
        "title": "GitHub",
        "issuer": "https://github.com/login/oauth",
        "scopes": ("read:user", "user:email"),
        "trusts_email": True,
    },
}


def completed(given: dict[str, Any]) -> dict[str, Any]:
    """Return the given members of a provider together with those of its preset."""
    preset = PRESETS.get(given.get("preset", ""), {})
    entry = {"title": given.get("name", "").capitalize(), **preset, **given}
    if entry.get("preset") == "entra":
        tenant = entry.pop("tenant", "organizations")
        shared = tenant in {"common", "organizations", "consumers"}
        login = "https://login.microsoftonline.com"
        issuer = f"{login}/{TENANT if shared else tenant}/v2.0"
        entry = {"issuer": issuer, "discovery": f"{login}/{tenant}/v2.0", **entry}
    return {"discovery": entry.get("issuer"), **entry}


PROVIDERS = TypeAdapter(tuple[Provider, ...])


class ExternalIdentitySettings(AppSettings):
    """Sign-in with other providers."""

    oidc_providers: SecretStr | None = Field(None, repr=False)
    """Providers with which users can sign in: a JSON list of objects. Each has a
    `name`, a `client_id`, a `client_secret`, and a `preset` (`google`, `entra`,
    `keycloak`, `github` or `openid`). The presets `keycloak` and `openid` also need an
    `issuer`. The page `docs/external_identities.md` describes all members.
    """

    @field_validator("oidc_providers")
    @classmethod
    def _oidc_providers(
        cls, text: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        names = set()
        for provider in parse_providers(text):
            name = provider.name
            refuse(name in names, f"names the provider {name} twice")
            names.add(name)
            secret = provider.client_secret.get_secret_value()
            refuse(not secret, f"has no client_secret for {name}")
            local = info.data.get("environment") == "development"
            for url in (provider.issuer, provider.discovery, provider.redirect_uri):
                refuse(
                    url and not is_safe_url(url, local=local),
                    f"must use https URLs for {name}; development also accepts http "
                    "on this machine",
                )
        return text

    @property
    def providers(self) -> tuple[Provider, ...]:
        return parse_providers(self.oidc_providers)


def parse_providers(text: SecretStr | None) -> tuple[Provider, ...]:
    """Raises `ValueError`, whose message names members but shows no value."""
    if text is None:
        return ()
    try:
        given = json.loads(text.get_secret_value())
        entries = [completed(entry) for entry in given]
        return PROVIDERS.validate_python(entries)
    except ValidationError as error:
        faults = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        reason = f"has missing or invalid members: {', '.join(faults)}"
    except (AttributeError, TypeError, ValueError, RecursionError):
        reason = "must be a JSON list of providers"
    raise ValueError(reason)


def is_safe_url(url: str, *, local: bool) -> bool:
    """Whether the URL is https, or, with `local`, http on this machine."""
    parts = split_url(url.replace(TENANT, "tenant"))
    plain = local and parts.scheme == "http" and is_local(parts.hostname or "")
    return bool(parts.hostname) and (parts.scheme == "https" or plain)
