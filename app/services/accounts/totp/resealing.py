"""Encrypts the TOTP secrets of all users again, to finish a rotation of keys."""

from sqlalchemy import select, update

from app.core.sealing import is_current, seal, unseal
from app.core.security import SecretRing
from app.db.models.totp import Totp
from app.db.session import Database, transaction
from app.services.accounts.totp.factor import KEY, TOTP


async def reseal(database: Database, ring: SecretRing) -> int:
    """Encrypt each TOTP secret with the current `SECRET_KEY`. Return how many changed.

    A user can replace the secret at the same time, so the service writes a secret only
    if it has not changed since it was read.

    Raises:
        Unreadable: No key of the ring can decrypt a secret. Nothing was changed.
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
