"""What other services find at paths that standards fixed (RFC 8615)."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.authorization import public
from app.api.dependencies import ResourcesDep
from app.api.errors import documented
from app.core.errors import NotFound

router = APIRouter(prefix="/.well-known", tags=["auth"])


class NoPublicKeys(NotFound):
    """Access tokens are signed with a secret: only this service can verify them."""

    code = "no_public_keys"


@router.get(
    "/jwks.json",
    responses=documented(NoPublicKeys),
    openapi_extra=public("Public keys are for everybody who verifies tokens."),
)
async def read_jwks(resources: ResourcesDep, response: Response) -> dict[str, Any]:
    """Read the keys that verify access tokens (RFC 7517 §5)."""
    jwks = resources.keys.jwks()
    if jwks is None:
        raise NoPublicKeys("This service publishes no keys.")
    response.headers["Cache-Control"] = "public, max-age=300"
    return jwks
