"""What a signature by a passkey proves: who the caller is."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.db.models.passkey import Ceremony, Passkey
from app.db.models.user import User
from app.db.reads import ReadSession
from app.schemas.passkey import SignedCredential
from app.services.accounts.login import AuthService, InvalidCredentials
from app.services.audit import record
from app.services.passkeys.challenges import Challenges, challenge_in, decode, encode
from app.services.passkeys.verification import Unproven, Verifier

# RFC 8176 has no value for WebAuthn. `mfa` and `user` are true: the authenticator has
# checked a PIN or biometrics, and that someone is there. `hwk` or `swk` would be a
# guess, because without attestation the service does not know where the key is.
METHODS = ("webauthn", "mfa", "user")
PASSKEY = Passkey.__table__.c
USER = User.__table__.c
SELECT_OWNER = (
    select(
        PASSKEY.id.label("passkey_id"),
        PASSKEY.user_handle,
        PASSKEY.public_key,
        PASSKEY.sign_count,
        PASSKEY.backup_eligible,
        USER.id,
        USER.password_hash,
    )
    .join(User, PASSKEY.user_id == USER.id)
    .where(PASSKEY.credential_id == bindparam("credential_id"))
)
USE = (
    update(Passkey.__table__)  # type: ignore[arg-type]
    .where(
        PASSKEY.id == bindparam("passkey"),
        # Authenticators without a counter always send 0.
        or_(bindparam("count") == 0, PASSKEY.sign_count < bindparam("count")),
    )
    .values(
        sign_count=bindparam("highest"),
        backed_up=bindparam("is_backed_up"),
        last_used_at=bindparam("now"),
    )
    .returning(PASSKEY.id)
)


@dataclass(frozen=True, slots=True)
class Proof:
    user: Row[Any]  # locked
    passkey_id: UUID


@dataclass(frozen=True, slots=True)
class Assertions:
    session: AsyncSession
    read: ReadSession
    challenges: Challenges
    verifier: Verifier
    auth: AuthService

    async def find(self, credential: SignedCredential) -> Row[Any] | None:
        """Find the passkey, with its user, that the client says it has used."""
        try:
            values = {"credential_id": decode(credential.id)}
        except ValueError:  # the length is impossible
            return None
        return await self.read.one_or_none(SELECT_OWNER, values)

    async def prove(
        self,
        credential: SignedCredential,
        owner: Row[Any] | None,
        ceremony: Ceremony,
        holder: bytes = b"",
    ) -> Proof:
        """Check the signature of a passkey, which `find` has found.

        Raises:
            Unproven: Refuse the request, but commit the transaction.
        """
        if owner is None:
            raise Unproven("unknown")
        challenge = challenge_in(credential.response.client_data_json)
        verified = await self.verifier.assertion(
            credential.model_dump(by_alias=True), challenge, owner.public_key
        )
        # Nothing is written before this line: checking takes longer than writing.
        if await self.challenges.redeem(challenge, ceremony, holder) is None:
            raise Unproven("challenge")
        handle = credential.response.user_handle
        expected = encode(owner.user_handle)
        # Only a login must find the user by the handle (§7.2, step 6).
        if handle != expected and (handle or ceremony == Ceremony.LOGIN):
            raise Unproven("user_handle")
        if (verified.credential_device_type == "multi_device") != owner.backup_eligible:
            raise Unproven("backup_eligibility")
        try:
            user = await self.auth.lock(owner)
        except InvalidCredentials as error:
            raise Unproven("account") from error
        await self._use(owner, verified.new_sign_count, verified.credential_backed_up)
        return Proof(user, owner.passkey_id)

    async def _use(self, owner: Row[Any], count: int, is_backed_up: bool) -> None:
        values = {
            "passkey": owner.passkey_id,
            "count": count,
            "highest": max(count, owner.sign_count),
            "is_backed_up": is_backed_up,
            "now": utc_now(),
        }
        if (await self.session.execute(USE, values)).one_or_none():
            return
        if await self.session.get(Passkey, owner.passkey_id) is None:
            raise Unproven("removed")
        record(
            self.session,
            "account.passkey.clone_suspected",
            owner.id,
            outcome="failure",
            passkey=str(owner.passkey_id),
        )
        raise Unproven("sign_count")
