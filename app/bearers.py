"""The kinds of bearer tokens other than access tokens, by prefix, one a line."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.services.accounts.principal import Principal
from app.services.api_keys import callers, keys
from app.services.mail.outbox import Outbox


class Bearer(NamedTuple):
    # Raises `InvalidAccessToken`, whatever the reason.
    find_caller: Callable[[Database, str], Awaitable[Principal]]
    # Revokes a token that leaked. It ignores one that is not valid.
    revoke: Callable[[AsyncSession, Outbox, str], Awaitable[None]]


BEARERS: dict[str, Bearer] = {
    "app_pat_": Bearer(callers.find_caller, keys.revoke_leaked),  # api_keys
}
