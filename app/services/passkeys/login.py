"""Logging in with a passkey, without an e-mail address and without a password."""

from dataclasses import dataclass

from app.core.client_address import limiter_partition
from app.core.errors import Unauthorized
from app.core.rate_limit.policy import Hit, Policy, RateLimiter
from app.db.models.passkey import Ceremony
from app.schemas.auth import TokenPair
from app.schemas.passkey import PasskeyRequestOptions, SignedCredential
from app.services.accounts.sessions import Client
from app.services.accounts.sign_in import SignIn
from app.services.audit import record
from app.services.passkeys.assertions import METHODS, Assertions
from app.services.passkeys.challenges import LIFETIME, encode
from app.services.passkeys.verification import Unproven

MILLISECONDS = 1000


class PasskeyRefused(Unauthorized):
    """The passkey is not known, or its signature does not prove who the caller is."""

    code = "passkey_refused"
    detail = "This passkey was not accepted. Ask for new options and try again."
    keeps_changes = True  # the used challenge and the audit event


@dataclass(frozen=True, slots=True)
class PasskeyLoginService:
    assertions: Assertions
    sign_in: SignIn
    limiter: RateLimiter
    sampling: Policy

    async def options(self) -> PasskeyRequestOptions:
        """Name no passkey, because asking for an address would reveal accounts."""
        challenge = await self.assertions.challenges.issue(Ceremony.LOGIN)
        return PasskeyRequestOptions(
            challenge=encode(challenge),
            timeout=int(LIFETIME.total_seconds() * MILLISECONDS),
            rp_id=self.assertions.verifier.rp_id,
        )

    async def login(self, credential: SignedCredential, client: Client) -> TokenPair:
        """Raises `PasskeyRefused`, whatever the reason."""
        owner = await self.assertions.find(credential)
        try:
            proof = await self.assertions.prove(credential, owner, Ceremony.LOGIN)
        except Unproven as unproven:
            # Sampled by address, because anyone can send what is not valid.
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
        answer = await self.sign_in.complete(
            proof.user, client, METHODS, passkey=str(proof.passkey_id)
        )
        assert isinstance(answer, TokenPair)  # noqa: S101 - METHODS reach `aal2`
        return answer
