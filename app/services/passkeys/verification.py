"""Checks by py_webauthn of what an authenticator has signed (WebAuthn §7)."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import (
        VerifiedAuthentication,
    )
    from webauthn.registration.verify_registration_response import VerifiedRegistration

Verified = TypeVar("Verified")


class Unproven(Exception):
    """The credential does not prove who the caller is. The reason is for the audit."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Verifier:
    """Accepts a signature made on our pages, by a device that has verified its user.

    Each check runs in a thread: the first one imports the library, which takes as long
    as hundreds of requests.
    """

    rp_id: str
    origins: tuple[str, ...]

    async def attestation(
        self, credential: Mapping[str, Any], challenge: bytes
    ) -> "VerifiedRegistration":
        """Raises `Unproven`."""

        def verify() -> "VerifiedRegistration":
            from webauthn import verify_registration_response

            return verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=[*self.origins],
                require_user_verification=True,
            )

        return await prove(verify)

    async def assertion(
        self, credential: Mapping[str, Any], challenge: bytes, public_key: bytes
    ) -> "VerifiedAuthentication":
        """Raises `Unproven`. The caller must compare the sign count.

        The library compares the count before it checks the signature. A forged request
        could then make a passkey look like a clone.
        """

        def verify() -> "VerifiedAuthentication":
            from webauthn import verify_authentication_response

            return verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=[*self.origins],
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )

        return await prove(verify)


async def prove(verify: Callable[[], Verified]) -> Verified:
    try:
        return await asyncio.to_thread(verify)
    except ImportError:
        raise
    # Parsers of CBOR, keys and certificates raise many kinds for malformed input.
    except Exception as error:
        raise Unproven(type(error).__name__) from error
