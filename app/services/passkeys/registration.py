"""Adding a passkey to the account of the caller."""

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequest, Conflict
from app.db.models.passkey import Ceremony, Passkey
from app.schemas.passkey import (
    MOST_PASSKEYS,
    Algorithm,
    PasskeyCreate,
    PasskeyCreated,
    PasskeyCreationOptions,
    PasskeyRead,
    PasskeyUser,
    RelyingParty,
)
from app.services.accounts.principal import Principal, lock_caller
from app.services.accounts.recovery_codes import RecoveryCodes
from app.services.accounts.second_factors import SecondFactors
from app.services.accounts.sign_in import SignInChanges
from app.services.passkeys.assertions import PASSKEYS_OF_USER, known
from app.services.passkeys.challenges import (
    MILLISECONDS,
    challenge_in,
    encode,
    issue,
    redeem,
)
from app.services.passkeys.factor import PasskeyFactor
from app.services.passkeys.verification import Unproven, Verifier

# EdDSA, ES256 and RS256, in the order of preference. Windows Hello needs RS256.
ALGORITHMS = (-8, -7, -257)
TRANSPORTS = {"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"}


class PasskeyInvalid(BadRequest):
    """The new passkey was not made with the options that this session got."""

    code = "passkey_invalid"
    detail = "This passkey was not accepted. Ask for new options and try again."


class PasskeyExists(Conflict):
    """The passkey is registered already, for this or another account."""

    code = "passkey_exists"
    detail = "This passkey is registered already."


class TooManyPasskeys(Conflict):
    """The account already has the largest allowed number of passkeys."""

    code = "too_many_passkeys"
    detail = f"An account has at most {MOST_PASSKEYS} passkeys. Remove one first."


@dataclass(frozen=True, slots=True)
class PasskeyRegistration:
    session: AsyncSession
    verifier: Verifier
    factors: SecondFactors
    recovery_codes: RecoveryCodes
    changes: SignInChanges
    app_name: str

    async def options(self, caller: Principal) -> PasskeyCreationOptions:
        registered = await self._passkeys_of(caller.user_id)
        # The user handle is random, because any page of the domain can read it
        # (§14.6.1).
        handle = registered[0].user_handle if registered else secrets.token_bytes(64)
        challenge = issue(
            self.session, Ceremony.REGISTRATION, caller.session_id.bytes, handle
        )
        user = caller.user
        return PasskeyCreationOptions(
            rp=RelyingParty(id=self.verifier.rp_id, name=self.app_name),
            user=PasskeyUser(
                id=encode(handle),
                name=user.email,
                display_name=user.full_name or user.email,
            ),
            challenge=encode(challenge),
            pub_key_cred_params=[Algorithm(alg=each) for each in ALGORITHMS],
            timeout=MILLISECONDS,
            exclude_credentials=[*map(known, registered)],
        )

    async def register(self, caller: Principal, data: PasskeyCreate) -> PasskeyCreated:
        """Check a new passkey, and store its public key."""
        response = data.credential.response
        try:
            challenge = challenge_in(response.client_data_json)
            verified = await self.verifier.attestation(
                data.credential.model_dump(by_alias=True), challenge
            )
        except Unproven as unproven:
            raise PasskeyInvalid from unproven
        redeemed = await redeem(
            self.session, challenge, Ceremony.REGISTRATION, caller.session_id.bytes
        )
        if redeemed is None:
            raise PasskeyInvalid
        # Lock the user, so that two requests cannot exceed the maximum together.
        await lock_caller(self.session, caller)
        await self._passkeys_of(caller.user_id)
        passkey = Passkey(
            user_id=caller.user_id,
            user_handle=redeemed.user_handle,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            backup_eligible=verified.credential_device_type == "multi_device",
            backed_up=verified.credential_backed_up,
            aaguid=UUID(verified.aaguid),
            transports=" ".join(sorted(TRANSPORTS.intersection(response.transports))),
            name=data.name,
        )
        self.session.add(passkey)
        try:
            await self.session.flush()
        except IntegrityError as error:
            # The locked user cannot be deleted, so only the unique credential can fail.
            raise PasskeyExists from error
        await self.factors.add(caller, self.factors.by_field(PasskeyFactor.field))
        codes = await self.recovery_codes.make_first(caller.user_id)
        await self.changes.announce(
            caller,
            "account.passkey.added",
            "A passkey was added.",
            passkey=str(passkey.id),
        )
        stored = PasskeyRead.model_validate(passkey).model_dump()
        return PasskeyCreated(**stored, recovery_codes=codes)

    async def _passkeys_of(self, user_id: UUID) -> list[Row[Any]]:
        """Return the passkeys of a user. Raises `TooManyPasskeys` at the maximum."""
        found = (await self.session.execute(PASSKEYS_OF_USER, {"user": user_id})).all()
        if len(found) >= MOST_PASSKEYS:
            raise TooManyPasskeys
        return [*found]
