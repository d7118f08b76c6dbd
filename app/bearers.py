"""The kinds of bearer tokens, except access tokens, by prefix.

Write each kind on its own line.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.services.accounts.principal import Principal
from app.services.api_keys import callers, keys
from app.services.mail.outbox import Outbox


class Bearer(NamedTuple):
    # Finds the caller who sent a token. Raises `InvalidAccessToken` for every token
    # that is not valid.
    find_caller: Callable[[Database, str], Awaitable[Principal]]
    # Revokes a token that leaked. Ignores a token that is not valid.
    revoke: Callable[[AsyncSession, Outbox, str], Awaitable[None]]


BEARERS: dict[str, Bearer] = {
    "app_pat_": Bearer(callers.find_caller, keys.revoke_leaked),  # api_keys
}
