"""Logging in with a passkey, without an e-mail address and without a password."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from app.core.client_address import limiter_partition
from app.core.errors import Unauthorized
from app.core.rate_limit.policy import Hit, Policy, RateLimiter
from app.db.models.passkey import Ceremony
from app.schemas.auth import TokenPair
from app.schemas.passkey import PasskeyRequestOptions, SignedCredential
from app.services.accounts.login import AuthService, InvalidCredentials
from app.services.accounts.sessions import Client
from app.services.audit import record
from app.services.passkeys.assertions import METHODS, Assertions
from app.services.passkeys.verification import Unproven


class PasskeyRefused(Unauthorized):
    """The passkey is not known, or its signature does not prove who the caller is."""

    code = "passkey_refused"
    detail = "This passkey was not accepted. Ask for new options and try again."
    keeps_changes = True  # the used challenge and the audit event


@dataclass(frozen=True, slots=True)
class PasskeyLoginService:
    assertions: Assertions
    auth: AuthService
    limiter: RateLimiter
    sampling: Policy

    async def options(self) -> PasskeyRequestOptions:
        """Make options that name no passkey.

        Options for an e-mail address would reveal whether the account exists.
        """
        return await self.assertions.options(Ceremony.LOGIN)

    async def login(self, credential: SignedCredential, client: Client) -> TokenPair:
        """Start a session. Raises `PasskeyRefused` if the passkey is not accepted."""
        owner = await self.assertions.find(credential)
        try:
            user = await self._prove(credential, owner)
        except Unproven as unproven:
            # Limit the records for each client address, because anyone can cause
            # failures.
            hit = Hit(self.sampling, f"passkey:{limiter_partition(client.address)}")
            if (await self.limiter.hit(hit)).allowed:
                record(
                    self.assertions.session,
                    "auth.login.failure",
                    owner.id if owner else None,
                    outcome="failure",
                    method="passkey",
                    reason=unproven.reason,
                )
            raise PasskeyRefused from unproven
        assert owner is not None  # noqa: S101 - for mypy
        answer = await self.auth.sign_in.complete(
            user, client, METHODS, passkey=str(owner.passkey_id)
        )
        assert isinstance(answer, TokenPair)  # noqa: S101 - no second step follows
        return answer

    async def _prove(
        self, credential: SignedCredential, owner: Row[Any] | None
    ) -> Row[Any]:
        """Return the locked user. Raises `Unproven`."""
        if owner is None:
            raise Unproven("unknown")
        verified = await self.assertions.verify(credential, owner, Ceremony.LOGIN)
        try:
            user = await self.auth.lock(owner)
        except InvalidCredentials as error:
            raise Unproven("account") from error
        await self.assertions.use(owner, verified)
        return user
