"""The access token of a request, read as the tutorials of FastAPI read it."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bench.comparison import TOKEN_KEY

KEY = OctKey.import_key(TOKEN_KEY)
REGISTRY = jwt.JWTClaimsRegistry()


async def get_claims(
    bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, Any]:
    try:
        token = jwt.decode(bearer.credentials, KEY, algorithms=["HS256"])
        REGISTRY.validate(token.claims)
    except JoseError:
        raise HTTPException(401) from None
    return token.claims


ClaimsDep = Annotated[dict[str, Any], Depends(get_claims)]
