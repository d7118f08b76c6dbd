"""Revokes credentials, such as API keys, that an attacker may have made."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Credential, utc_now


async def revoke_credentials(session: AsyncSession, user_id: UUID, reason: str) -> None:
    """Revoke the rows of a user in the tables of all subclasses of `Credential`."""
    for kind in Credential.__subclasses__():
        await session.execute(
            update(kind)
            .where(kind.user_id == user_id, kind.revoked_at.is_(None))
            .values(revoked_at=utc_now(), revoked_reason=reason)
        )
