"""Finds the user who sends an API key, and stores when and where the key is used."""

from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from app.core.client_address import network_of
from app.core.errors import Unavailable
from app.core.request_context import current_request
from app.core.tokens.access import InvalidAccessToken
from app.core.tokens.api_key import digest, is_well_formed
from app.db.base import utc_now
from app.db.models.api_key import ApiKey
from app.db.models.user import User
from app.db.session import Database, transaction
from app.services.accounts.principal import CALLER, USER, Principal
from app.services.audit import record

KEY = ApiKey.__table__.c
LIVE = (KEY.revoked_at.is_(None), KEY.expires_at > bindparam("now"))
SELECT_CALLER = (
    select(
        *CALLER,
        KEY.id.label("api_key_id"),
        KEY.scope,
        KEY.allowed_networks,
        KEY.seen_networks,
        KEY.last_used_at,
    )
    .join(User, KEY.user_id == USER.id)
    .where(KEY.token_hash == bindparam("digest"), *LIVE, USER.is_active)
)
EVERY = timedelta(minutes=1)
MOST_NETWORKS = 20  # stored for each key: the latest networks


async def find_caller(database: Database, key: str) -> Principal:
    """Return the caller. Raises `InvalidAccessToken` if the key is not accepted."""
    if not is_well_formed(key):
        raise InvalidAccessToken("checksum")
    now = utc_now()
    values = {"digest": digest(key), "now": now}
    user = await database.read.one_or_none(SELECT_CALLER, values)
    if user is None:
        raise InvalidAccessToken("api_key")
    request = current_request()
    address = request.client_address if request else ""
    if not is_allowed(address, user.allowed_networks):
        raise InvalidAccessToken("network")
    await note_use(database, user, network_of(address), now)
    return Principal(user, "api_key")


def is_allowed(address: str, networks: str) -> bool:
    """Whether one of the networks contains the address. Without networks, True."""
    if not networks:
        return True
    try:
        parsed = ip_address(address)
    except ValueError:  # a client on a Unix socket has no address
        return False
    return any(parsed in ip_network(network) for network in networks.split())


async def note_use(
    database: Database, user: Row[Any], network: str, now: datetime
) -> None:
    """Store the time and network of a use, at most once a minute for each key.

    The first use from a network is always stored, too.
    """
    seen = user.seen_networks.split()
    is_recent = user.last_used_at is not None and user.last_used_at > now - EVERY
    if is_recent and network in seen:
        return
    others = [each for each in seen if each != network]
    networks = " ".join([*others, network][-MOST_NETWORKS:])
    use = (
        update(ApiKey)
        # Several requests can read the same `last_used_at`. Only one replaces it.
        .where(KEY.id == user.api_key_id)
        .where(KEY.last_used_at.is_not_distinct_from(user.last_used_at))
        .values(last_used_at=now, seen_networks=networks)
        .returning(KEY.id)
    )
    # Answer the request even if the database accepts no writes now.
    with suppress(Unavailable):
        async with transaction(database) as session:
            noted = await session.scalar(use)
            if noted is not None and network not in seen:
                record(
                    session,
                    "account.api_key.used_first_from_network",
                    user.id,
                    actor=user.id,
                    api_key_id=str(user.api_key_id),
                    network=network,
                )
