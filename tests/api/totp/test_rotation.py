"""Rotation of SECRET_KEY while users have authenticator apps."""

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.core.sealing import Unreadable
from app.core.security import SecretRing
from app.db.models.totp import Totp
from app.db.session import transaction
from app.services.accounts.totp.factor import TotpFactor
from app.services.accounts.totp.resealing import reseal
from tests.support.totp import Phone

NEW = b"new" * 16


async def accepts(app: FastAPI, phone: Phone, ring: SecretRing) -> bool:
    code = await phone.code()
    async with transaction(app.state.shared.database) as session:
        [owner] = await session.scalars(select(Totp.user_id))
        return await TotpFactor(session, ring).use(owner, code, is_active=True)


@pytest.mark.parametrize("by", ["login", "command"])
async def test_a_rotation_can_end_when_all_secrets_are_encrypted_again(
    app: FastAPI, phone: Phone, by: str
) -> None:
    """Mutants: leave the secret unchanged at a login; let the command write nothing."""
    database = app.state.shared.database
    old = app.state.shared.settings.secret_key.get_secret_value().encode()
    assert not await accepts(app, phone, SecretRing(NEW))
    with pytest.raises(Unreadable):
        await reseal(database, SecretRing(NEW))

    if by == "login":
        assert await accepts(app, phone, SecretRing(NEW, old))
    else:
        assert await reseal(database, SecretRing(NEW, old)) == 1
        assert await reseal(database, SecretRing(NEW, old)) == 0

    assert await accepts(app, phone, SecretRing(NEW))
