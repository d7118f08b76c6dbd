"""The second factors of the service. Write each on its own line."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.accounts.assurance import SecondFactor
from app.services.accounts.recovery_codes import RecoveryCodes
from app.services.accounts.totp import factor as totp
from app.services.mail.outbox import Outbox
from app.services.passkeys import factor as passkeys
from app.state import AppState

Build = Callable[[AsyncSession, AppState, Outbox], SecondFactor]

# Clients see them in this order.
SECOND_FACTORS: tuple[Build, ...] = (
    lambda session, state, _: passkeys.make(session, state.database, state.settings),
    lambda session, state, _: totp.TotpFactor(session, state.ring),
    lambda session, _, outbox: RecoveryCodes(session, outbox),
)
