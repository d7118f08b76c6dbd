"""A software authenticator: what a device and a browser do in a WebAuthn ceremony."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import (
    generate_private_key as generate_rsa_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx2 import Response

from app.services.passkeys.challenges import decode, encode
from tests.support.people import Client

Key = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey
KEYS: dict[int, Callable[[], Key]] = {
    -7: lambda: generate_private_key(SECP256R1()),
    -8: Ed25519PrivateKey.generate,
    -257: lambda: generate_rsa_key(65537, 2048),
}
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 1, 4, 8, 16, 64
USUAL = PRESENT | VERIFIED | ELIGIBLE | BACKED_UP
AAGUID = UUID("d7a423ad-3e19-4492-9200-78137dccc136")


@dataclass
class Authenticator:
    """One passkey. Change its attributes to make it misbehave."""

    algorithm: int = -7
    rp_id: str = "test"
    origin: str = "http://test"
    flags: int = USUAL
    sign_count: int = 0
    counts: bool = False
    client_data: dict[str, Any] = field(default_factory=dict)  # replaces members
    user_handle: str | None = None
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        self.key = KEYS[self.algorithm]()

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.create()` with the attestation `none`."""
        self.user_handle = options["user"]["id"]
        attested = AAGUID.bytes + len(self.credential_id).to_bytes(2, "big")
        attested += self.credential_id + cbor2.dumps(self.cose_key())
        data = self._authenticator_data(ATTESTED) + attested
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._credential(
            {
                "clientDataJSON": encode(self._client_data("webauthn.create", options)),
                "attestationObject": encode(cbor2.dumps(attestation)),
                "transports": ["internal", "hybrid"],
                "publicKeyAlgorithm": self.algorithm,
            }
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.get()`."""
        self.sign_count += self.counts
        client_data = self._client_data("webauthn.get", options)
        data = self._authenticator_data()
        signature = self.sign(data + hashlib.sha256(client_data).digest())
        return self._credential(
            {
                "clientDataJSON": encode(client_data),
                "authenticatorData": encode(data),
                "signature": encode(signature),
                "userHandle": self.user_handle,
            }
        )

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, EllipticCurvePrivateKey):
            return self.key.sign(data, ECDSA(SHA256()))
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        return self.key.sign(data)

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(self.credential_id),
            "rawId": encode(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        members = {
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": False,
        }
        return json.dumps(members | self.client_data).encode()

    def _authenticator_data(self, more_flags: int = 0) -> bytes:
        domain = hashlib.sha256(self.rp_id.encode()).digest()
        flags = (self.flags | more_flags).to_bytes(1, "big")
        return domain + flags + self.sign_count.to_bytes(4, "big")

    def cose_key(self) -> dict[int, Any]:
        if isinstance(self.key, EllipticCurvePrivateKey):
            point = self.key.public_key().public_numbers()
            x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
            return {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        if isinstance(self.key, RSAPrivateKey):
            numbers = self.key.public_key().public_numbers()
            n, e = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
            return {1: 3, 3: -257, -1: n, -2: e}
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {1: 1, 3: -8, -1: 6, -2: raw}


async def register(
    client: Client, authenticator: Authenticator | None = None, name: str = "Laptop"
) -> Authenticator:
    """Add a passkey to the account of a client who has just logged in."""
    authenticator = authenticator or Authenticator()
    options = (await client.post("/auth/passkeys/options")).json()
    credential = authenticator.create(options)
    body = {"name": name, "credential": credential}
    added = await client.post("/auth/passkeys", json=body)
    assert added.status_code == 201, added.text
    return authenticator


async def login_options(client: Client) -> dict[str, Any]:
    answer = await client.post("/auth/passkeys/login/options")
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()
    return options


async def send(client: Client, credential: dict[str, Any]) -> Response:
    return await client.post("/auth/passkeys/login", json={"credential": credential})


async def log_in(client: Client, passkey: Authenticator) -> Response:
    return await send(client, passkey.get(await login_options(client)))


def tampered(text: str) -> str:
    """Change the last byte of a text in base64url."""
    *begin, last = decode(text)
    return encode(bytes([*begin, last ^ 1]))
