"""Routes at the well-known paths of standards (RFC 8615)."""

from http import HTTPStatus
from typing import Any

from fastapi import Response

from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.errors import documented
from app.api.routes import api_router
from app.core.errors import NotFound

router = api_router("/.well-known", tags=["auth"])


class NoPublicKeys(NotFound):
    """The service signs access tokens with a secret, so it has no public keys."""

    code = "no_public_keys"


JWKS = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "2026-01",
            "use": "sig",
            "alg": "Ed25519",
        }
    ]
}


@router.get(
    "/jwks.json",
    responses={HTTPStatus.OK: {"content": {"application/json": {"example": JWKS}}}}
    | documented(NoPublicKeys),
    openapi_extra=public("Other services verify tokens with these keys."),
)
async def read_jwks(state: StateDep, response: Response) -> dict[str, Any]:
    """Read the keys that verify access tokens (RFC 7517 §5)."""
    jwks = state.keys.jwks()
    if jwks is None:
        raise NoPublicKeys(
            "This service signs access tokens with a secret and has no public keys."
        )
    response.headers["Cache-Control"] = "public, max-age=300"
    return jwks
