"""The exchange of a code for tokens (RFC 6749 §4.1.3)."""

import re
from typing import Any, Protocol
from urllib.parse import quote

from app.core.settings.external_identities import Provider
from app.services.accounts.external_identities.fetching import Fetcher
from app.services.accounts.external_identities.providers import ProviderAnswerInvalid

ERROR = re.compile(r"[a-z_]{1,40}")


class Exchanging(Protocol):
    provider: Provider
    redirect_uri: str
    fetcher: Fetcher


async def exchange(
    client: Exchanging, metadata: dict[str, Any], code: str, verifier: str
) -> dict[str, Any]:
    """Return the answer of the token endpoint."""
    name, secret = client.provider.name, client.provider.client_secret
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": verifier,
    }
    credentials = (client.provider.client_id, secret.get_secret_value())
    options: dict[str, Any] = {"headers": {"Accept": "application/json"}}
    # OpenID Connect Discovery §3: this is the only one if the document names none.
    known = metadata.get("token_endpoint_auth_methods_supported")
    if not isinstance(known, list) or "client_secret_basic" in known:
        options["auth"] = tuple(quote(part, safe="") for part in credentials)
    else:
        form["client_id"], form["client_secret"] = credentials
    status, answer = await client.fetcher.json(
        name, "POST", metadata["token_endpoint"], data=form, **options
    )
    # GitHub answers 200 to a code that is not valid.
    if status != 200 or not isinstance(answer, dict) or "error" in answer:
        error = answer.get("error") if isinstance(answer, dict) else None
        known_error = isinstance(error, str) and ERROR.fullmatch(error)
        raise ProviderAnswerInvalid(f"exchange: {error if known_error else status}")
    return answer
