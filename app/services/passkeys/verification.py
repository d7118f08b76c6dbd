"""Checks the signatures of authenticators with py_webauthn (WebAuthn §7)."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import (
        VerifiedAuthentication,
    )
    from webauthn.registration.verify_registration_response import VerifiedRegistration


class Unproven(Exception):
    """The credential does not prove who the caller is.

    `reason` is for the audit trail. Clients never see it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Verifier:
    """Accepts signatures from our origins, made after the device verified its user."""

    rp_id: str
    origins: tuple[str, ...]

    async def attestation(
        self, credential: dict[str, Any], challenge: bytes
    ) -> "VerifiedRegistration":
        """Check a new passkey. Raises `Unproven`."""
        verified: VerifiedRegistration = await self._call(
            "verify_registration_response", credential, challenge
        )
        return verified

    async def assertion(
        self, credential: dict[str, Any], challenge: bytes, public_key: bytes
    ) -> "VerifiedAuthentication":
        """Check a signature, but not the sign count. Raises `Unproven`.

        The caller must compare the sign count afterwards. The library would compare the
        count before it checks the signature, so a forged request could make a passkey
        look like a clone.
        """
        verified: VerifiedAuthentication = await self._call(
            "verify_authentication_response",
            credential,
            challenge,
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
        return verified

    async def _call(
        self, name: str, credential: dict[str, Any], challenge: bytes, **more: Any
    ) -> Any:
        """Call the library in a thread, because its first import takes long."""

        def call() -> Any:
            import webauthn

            return getattr(webauthn, name)(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=[*self.origins],
                require_user_verification=True,
                **more,
            )

        try:
            return await asyncio.to_thread(call)
        except ImportError:
            raise
        # Malformed input causes many kinds of exceptions, because the library parses
        # CBOR, keys and certificates.
        except Exception as error:
            raise Unproven(type(error).__name__) from error
