"""Checks the signature of a passkey, to find out who the caller is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.db.models.passkey import Ceremony, Passkey
from app.db.models.user import User
from app.db.reads import ReadSession
from app.schemas.passkey import KnownCredential, PasskeyRequestOptions, SignedCredential
from app.services.audit import record
from app.services.passkeys.challenges import (
    MILLISECONDS,
    challenge_in,
    decode,
    encode,
    issue,
    redeem,
)
from app.services.passkeys.verification import Unproven, Verifier

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import (
        VerifiedAuthentication,
    )

# RFC 8176 has no value for WebAuthn. `mfa` and `user` are true, because the device has
# checked a PIN or biometrics, and that a user is present. `hwk` or `swk` would be a
# guess, because without attestation the service does not know where the key is stored.
METHODS = ("webauthn", "mfa", "user")
PASSKEY = Passkey.__table__.c
USER = User.__table__.c
PASSKEYS_OF_USER = (
    select(*PASSKEY)
    .where(PASSKEY.user_id == bindparam("user"))
    .order_by(PASSKEY.created_at, PASSKEY.id)
)
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


@dataclass(frozen=True, slots=True)
class Assertions:
    session: AsyncSession
    read: ReadSession
    verifier: Verifier

    async def options(
        self, ceremony: Ceremony, holder: bytes = b"", user_id: UUID | None = None
    ) -> PasskeyRequestOptions:
        """Make the options for a browser.

        Without `user_id`, the device offers all its passkeys for this domain.
        """
        allowed: Sequence[Row[Any]] = ()
        if user_id is not None:
            allowed = await self.read.all(PASSKEYS_OF_USER, {"user": user_id})
        challenge = issue(self.session, ceremony, holder)
        return PasskeyRequestOptions(
            challenge=encode(challenge),
            timeout=MILLISECONDS,
            rp_id=self.verifier.rp_id,
            allow_credentials=[*map(known, allowed)],
        )

    async def find(self, credential: SignedCredential) -> Row[Any] | None:
        """Find the passkey that the client names, and its user, without any check."""
        try:
            values = {"credential_id": decode(credential.id)}
        except ValueError:  # the length is impossible
            return None
        return await self.read.one_or_none(SELECT_OWNER, values)

    async def verify(
        self,
        credential: SignedCredential,
        owner: Row[Any],
        ceremony: Ceremony,
        holder: bytes = b"",
    ) -> "VerifiedAuthentication":
        """Check the signature of a passkey from `find`. Use up the challenge.

        Raises:
            Unproven: The check failed. Refuse the request, but commit the transaction.
        """
        challenge = challenge_in(credential.response.client_data_json)
        verified = await self.verifier.assertion(
            credential.model_dump(by_alias=True), challenge, owner.public_key
        )
        # Redeem after the slow check of the signature, because this first write takes a
        # connection.
        if await redeem(self.session, challenge, ceremony, holder) is None:
            raise Unproven("challenge")
        handle = credential.response.user_handle
        expected = encode(owner.user_handle)
        # A login must send the handle. In other ceremonies the user is known, so the
        # handle is optional (§7.2, step 6).
        if handle != expected and (handle or ceremony == Ceremony.LOGIN):
            raise Unproven("user_handle")
        if (verified.credential_device_type == "multi_device") != owner.backup_eligible:
            raise Unproven("backup_eligibility")
        return verified

    async def use(self, owner: Row[Any], verified: "VerifiedAuthentication") -> None:
        """Store that a passkey was used. The caller has locked the row of the user.

        Raises:
            Unproven: The passkey was removed meanwhile, or it looks like a clone.
        """
        count = verified.new_sign_count  # always 0 if the authenticator has no counter
        used = await self.session.scalar(
            update(Passkey)
            .where(
                PASSKEY.id == owner.passkey_id,
                PASSKEY.sign_count < count if count else true(),
            )
            .values(
                sign_count=max(count, owner.sign_count),
                backed_up=verified.credential_backed_up,
                last_used_at=utc_now(),
            )
            .returning(PASSKEY.id)
        )
        if used is not None:
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


def known(passkey: Row[Any]) -> KnownCredential:
    return KnownCredential(
        id=encode(passkey.credential_id), transports=passkey.transports.split()
    )
