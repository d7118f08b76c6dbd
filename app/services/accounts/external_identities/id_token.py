"""Checks an ID token (OpenID Connect Core §3.1.3.7)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from authlib.oidc.core.claims import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from app.core.settings.external_identities import TENANT, Provider
from app.services.accounts.external_identities.providers import ProviderAnswerInvalid

# Never `none`, and never HS256 and the like, whose key would be the client secret.
ALGORITHMS = "RS256 PS256 ES256 RS384 PS384 ES384 RS512 PS512 ES512".split()
KINDS = {"RSA", "EC"}
LONGEST = 16 * 1024
LEEWAY_SECONDS = 30


class KeyUnknown(Exception):
    """The keys that were read do not contain the key that the token names."""


def verify(
    provider: Provider,
    metadata: Mapping[str, Any],
    keys: Mapping[str, Any],
    id_token: str,
    access_token: str,
    nonce: str,
) -> dict[str, Any]:
    """Return the claims of an ID token.

    Raises:
        KeyUnknown: `keys` lacks the key of the token. Read the keys again, and retry.
        ProviderAnswerInvalid: The token is invalid for another reason.
    """
    if len(id_token) > LONGEST:
        raise ProviderAnswerInvalid("ID token: length")
    supported = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    # joserfc replaces an empty list by its own defaults, which contain HS256.
    algorithms = [each for each in ALGORITHMS if each in supported] or ["RS256"]
    try:
        published = [key for key in keys["keys"] if key.get("kty") in KINDS]
        token = jwt.decode(
            id_token,
            KeySet.import_key_set({"keys": published}),
            algorithms=algorithms,
        )
        kid = token.header.get("kid")
        [key, *_] = [each for each in published if kid in (None, each.get("kid"))]
        issuer = issuer_of(provider, token.claims, key)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": provider.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": provider.client_id,
                "access_token": access_token,
            },
        )
        claims.validate(leeway=LEEWAY_SECONDS)
    except InvalidKeyIdError:
        raise KeyUnknown from None
    except ProviderAnswerInvalid:
        raise
    except Exception as error:  # because a stranger can send any text as a token
        reason = f"ID token: {type(error).__name__} {getattr(error, 'claim', '')}"
        raise ProviderAnswerInvalid(reason.strip()) from None
    return dict(claims)


def issuer_of(
    provider: Provider, claims: Mapping[str, Any], key: Mapping[str, Any]
) -> str:
    """Return the issuer that the token must have.

    If a provider serves many directories, its issuer in the settings contains `TENANT`
    in place of the directory. The token then names the directory of the person, and
    the key must belong to that directory.
    """
    if TENANT not in provider.issuer:
        return provider.issuer
    tenant = str(UUID(claims["tid"]))
    issuer = provider.issuer.replace(TENANT, tenant)
    if key.get("issuer", issuer).replace(TENANT, tenant) != issuer:
        raise ProviderAnswerInvalid("key of another directory")
    return issuer
