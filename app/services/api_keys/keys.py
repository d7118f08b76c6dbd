"""Making, listing, rotating and revoking API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Update, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.tokens.api_key import digest, generate, hint, is_well_formed
from app.core.tokens.cursor import CursorSigner
from app.db.base import utc_now
from app.db.models.api_key import ApiKey
from app.db.models.user import User
from app.db.reads import ReadSession
from app.schemas.api_key import ApiKeyCreate, ApiKeyRotate
from app.schemas.audit import EventName
from app.schemas.page import PageParameters
from app.services.accounts.principal import Principal, lock_caller
from app.services.api_keys.callers import KEY, LIVE
from app.services.api_keys.rules import (
    DEFAULT_DAYS,
    MAX_KEYS,
    WITHHELD,
    ApiKeyNotFound,
    ApiKeyScopeRefused,
    ApiKeyTooLong,
    TooManyApiKeys,
)
from app.services.audit import record
from app.services.listing import Listing, Order, RowPage
from app.services.mail.outbox import Outbox


class Owner(NamedTuple):
    """The user to whom a key belongs, and the scopes that the maker of the key has."""

    id: UUID
    email: str
    scopes: frozenset[str]


OWNED = (KEY.user_id == bindparam("owner"), *LIVE)
KEYS_OF_USER = Listing(
    select(*(column for column in KEY if column.name != "token_hash")).where(*OWNED),
    Order(KEY.created_at, KEY.id, descending=True),
    name="api keys of {owner}",
)
SELECT_KEY = KEYS_OF_USER.select.where(KEY.id == bindparam("key"))
COUNT = select(func.count()).select_from(ApiKey).where(*OWNED)
INSERT = insert(ApiKey.__table__).returning(*KEY)  # type: ignore[arg-type]
REVOKED: dict[str, Any] = {
    "revoked_at": bindparam("now"),
    "revoked_reason": bindparam("reason"),
}
CHANGE = update(ApiKey.__table__).returning(KEY.id, KEY.user_id, KEY.hint)  # type: ignore[arg-type]
REVOKE = CHANGE.where(*OWNED, KEY.id == bindparam("key")).values(REVOKED)
SHORTEN = CHANGE.where(*OWNED, KEY.id == bindparam("key")).values(
    expires_at=bindparam("until")
)
REVOKE_LEAKED = CHANGE.where(KEY.token_hash == bindparam("digest"), *LIVE).values(
    REVOKED
)


@dataclass(slots=True)
class ApiKeyService:
    session: AsyncSession
    read: ReadSession
    cursors: CursorSigner
    outbox: Outbox
    max_days: int

    async def page(self, owner: UUID, query: PageParameters) -> RowPage:
        return await KEYS_OF_USER.page(
            self.read, self.cursors, query, owner=owner, now=utc_now()
        )

    async def get(self, owner: UUID, key_id: UUID) -> Row[Any]:
        values = {"owner": owner, "key": key_id, "now": utc_now()}
        found = await self.read.one_or_none(SELECT_KEY, values)
        if found is None:
            raise ApiKeyNotFound
        return found

    async def create(self, caller: Principal, data: ApiKeyCreate) -> dict[str, Any]:
        """Make a key. Return its columns, and the secret as `key`."""
        await lock_caller(self.session, caller)
        return await self.issue(owner_of(caller), data)

    async def rotate(
        self, caller: Principal, key_id: UUID, data: ApiKeyRotate
    ) -> dict[str, Any]:
        await lock_caller(self.session, caller)
        return await self.replace(owner_of(caller), key_id, data)

    async def issue(self, owner: Owner, data: ApiKeyCreate) -> dict[str, Any]:
        """Make a key. The caller must have locked the row of the user.

        Otherwise two requests could together exceed the maximum number of keys.
        """
        networks = " ".join(data.allowed_networks)
        made = await self._insert(
            owner, data.expires_in_days, data.name, data.scopes, networks
        )
        await announce(
            self.outbox,
            "account.api_key.created",
            owner,
            f"A new API key was made: {made['hint']}.",
            api_key_id=str(made["id"]),
            scope=made["scope"],
        )
        return made

    async def replace(
        self, owner: Owner, key_id: UUID, data: ApiKeyRotate
    ) -> dict[str, Any]:
        """Replace a key by a new one. The old key ends now, or after the overlap.

        The caller has locked the row of the user.
        """
        now = utc_now()
        values = {"owner": owner.id, "key": key_id, "now": now}
        old = (await self.session.execute(SELECT_KEY, values)).one_or_none()
        if old is None:
            raise ApiKeyNotFound
        if data.overlap_seconds:
            until = min(old.expires_at, now + timedelta(seconds=data.overlap_seconds))
            await self._change(SHORTEN, values, until=until)
        else:
            await self._change(REVOKE, values, reason="rotated")
        made = await self._insert(
            owner,
            data.expires_in_days,
            old.name,
            old.scope.split(),
            old.allowed_networks,
        )
        await announce(
            self.outbox,
            "account.api_key.rotated",
            owner,
            f"The API key {old.hint} was replaced by a new one: {made['hint']}.",
            api_key_id=str(key_id),
            successor_id=str(made["id"]),
        )
        return made

    async def revoke(self, owner: Owner, key_id: UUID) -> None:
        values = {"owner": owner.id, "key": key_id, "now": utc_now()}
        ended = await self._change(REVOKE, values, reason="revoked")
        await announce(
            self.outbox,
            "account.api_key.revoked",
            owner,
            f"An API key was revoked: {ended.hint}.",
            api_key_id=str(key_id),
        )

    async def _insert(
        self,
        owner: Owner,
        days: int | None,
        name: str,
        scopes: Sequence[str],
        networks: str,
    ) -> dict[str, Any]:
        grantable = owner.scopes - WITHHELD
        if not grantable.issuperset(scopes):
            allowed = ", ".join(sorted(grantable))
            raise ApiKeyScopeRefused(f"Your API keys can have these scopes: {allowed}.")
        if days is not None and days > self.max_days:
            raise ApiKeyTooLong(self.max_days)
        now, secret = utc_now(), generate()
        live = await self.session.execute(COUNT, {"owner": owner.id, "now": now})
        if live.scalar_one() >= MAX_KEYS:
            raise TooManyApiKeys
        values = {
            "user_id": owner.id,
            "name": name,
            "token_hash": digest(secret),
            "hint": hint(secret),
            "scope": " ".join(sorted(set(scopes))),
            "allowed_networks": networks,
            "expires_at": now + timedelta(days or min(DEFAULT_DAYS, self.max_days)),
        }
        made = (await self.session.execute(INSERT, values)).one()
        return {**made._mapping, "key": secret}

    async def _change(
        self, statement: Update, values: dict[str, Any], **others: Any
    ) -> Row[Any]:
        changed = (await self.session.execute(statement, values | others)).one_or_none()
        if changed is None:
            raise ApiKeyNotFound
        return changed


def owner_of(caller: Principal) -> Owner:
    return Owner(caller.user_id, caller.user.email, caller.scopes)


async def announce(
    outbox: Outbox, event: EventName, owner: Owner, change: str, **detail: str
) -> None:
    record(outbox.session, event, owner.id, **detail)
    await outbox.add("api_key", owner.email, change=change)


async def revoke_leaked(session: AsyncSession, outbox: Outbox, key: str) -> None:
    """Revoke a key that was reported as leaked. Ignore a key that is not live."""
    if not is_well_formed(key):
        return
    values = {"digest": digest(key), "now": utc_now(), "reason": "leaked"}
    ended = (await session.execute(REVOKE_LEAKED, values)).one_or_none()
    if ended is None:
        return
    user = await session.get_one(User, ended.user_id)
    await announce(
        outbox,
        "account.api_key.leaked",
        Owner(user.id, user.email, frozenset()),
        f"An API key was revoked, because it was reported as leaked: {ended.hint}.",
        api_key_id=str(ended.id),
    )
