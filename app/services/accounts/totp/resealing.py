"""Encrypting the secrets of all users again, so that a rotation of keys can end."""

from sqlalchemy import select, update

from app.core.sealing import is_current, seal, unseal
from app.core.security import SecretRing
from app.db.models.totp import Totp
from app.db.session import Database, transaction
from app.services.accounts.totp.factor import KEY, TOTP


async def reseal(database: Database, ring: SecretRing) -> int:
    """Encrypt with the current secret what the previous one has encrypted.

    Return the number of secrets. Each is written only if it is still the one that was
    read: its user may have replaced it meanwhile.

    Raises:
        Unreadable: Neither secret of the ring decrypts one. Nothing was changed.
    """
    async with transaction(database) as session:
        rows = (await session.execute(select(Totp))).scalars().all()
        stale = [row for row in rows if not is_current(ring, KEY, row.secret)]
        for row in stale:
            owner = row.user_id.bytes
            secret = unseal(ring, KEY, row.secret, owner)
            await session.execute(
                update(Totp)
                .where(TOTP.user_id == row.user_id, TOTP.secret == row.secret)
                .values(secret=seal(ring, KEY, secret, owner))
            )
    return len(stale)
