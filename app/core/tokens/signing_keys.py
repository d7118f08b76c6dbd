"""Keys that sign access tokens: one derived from the secret, or a ring of key pairs.

joserfc is imported only for key pairs, because it imports cryptography, which takes
9 MiB of a worker. HS256 needs only `hmac`.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from app.core.security import SecretRing

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey

PairAlgorithm = Literal["ES256", "Ed25519"]
KeyState = Literal["next", "current", "retired"]

# How long a retired key still verifies: longer than any access token lives, and longer
# than verifiers cache the key set.
RETIREMENT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and its only algorithm. A token's header cannot choose another one."""

    kid: str
    algorithm: str
    # Takes a text and returns its signature.
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)
    # Takes a text and a signature.
    verifies: Callable[[bytes, bytes], bool] = field(repr=False, compare=False)
    # None for a symmetric key, because such a key is never published.
    public_jwk: Mapping[str, Any] | None = None
    not_after: datetime | None = None

    @property
    def expired(self) -> bool:
        return self.not_after is not None and self.not_after <= datetime.now(UTC)


class SigningKeys:
    """The key that signs, and the keys that still verify."""

    def __init__(self, current: SigningKey, others: Sequence[SigningKey] = ()) -> None:
        self.current = current
        self._by_kid = {key.kid: key for key in (*others, current)}

    @classmethod
    def from_secret(cls, ring: SecretRing) -> Self:
        """Use HS256. Then only this service can verify the tokens."""
        keys = [_symmetric(derived) for derived in ring.derive_all("access-token-v1")]
        return cls(keys[0], keys[1:])

    @classmethod
    def from_ring(cls, ring: str | bytes) -> Self:
        """Use ES256 or Ed25519 key pairs from a JSON list of entries (see `generate`).

        The message of a `ValueError` has no key material.
        """
        entries = _parse(ring)
        states = Counter(entry.state for entry in entries)
        if states["current"] != 1:
            raise ValueError(
                f"The ring has {states['current']} current keys; it needs exactly one."
            )
        if states["next"] > 1:
            raise ValueError(
                "The ring has more than one next key; at most one is allowed."
            )
        if len({entry.kid for entry in entries}) < len(entries):
            raise ValueError("The ring contains the same key twice.")
        entries.sort(key=lambda entry: entry.state != "current")
        current, *others = map(_pair, entries)
        return cls(current, others)

    def __iter__(self) -> Iterator[SigningKey]:
        """Yield the current key first."""
        yield self.current
        yield from (key for key in self._by_kid.values() if key is not self.current)

    def find(self, kid: str) -> SigningKey | None:
        key = self._by_kid.get(kid)
        return None if key is None or key.expired else key

    def jwks(self) -> dict[str, Any] | None:
        """Return the public keys for other verifiers (RFC 7517 §5). None with HS256."""
        if self.current.public_jwk is None:
            return None
        return {"keys": [key.public_jwk for key in self if not key.expired]}


def generate(
    algorithm: PairAlgorithm = "ES256", state: KeyState = "current"
) -> dict[str, Any]:
    from joserfc.jwk import ECKey, OKPKey

    key: ECKey | OKPKey
    if algorithm == "ES256":
        key = ECKey.generate_key("P-256")
    else:
        key = OKPKey.generate_key("Ed25519")
    return {
        "kid": key.thumbprint(),
        "alg": algorithm,
        "private_jwk": dict(key.as_dict(private=True)),
        "state": state,
    }


def rotate(ring: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the ring after one rotation.

    The `next` key becomes `current` and signs, the old `current` key only verifies, and
    a new key becomes `next`. The key set publishes the `next` key long before this key
    signs, so that verifiers know it in time. If the ring has no `next` key, a new key
    signs at once.
    """
    SigningKeys.from_ring(orjson.dumps([*ring]))
    now = datetime.now(UTC)
    [current] = [entry for entry in ring if entry["state"] == "current"]
    upcoming = [entry for entry in ring if entry["state"] == "next"]
    promoted = upcoming[0] if upcoming else generate(current["alg"])
    not_after = (now + RETIREMENT).isoformat(timespec="seconds")
    return [
        {**promoted, "state": "current"},
        generate(promoted["alg"], "next"),
        {**current, "state": "retired", "not_after": not_after},
        *(dict(entry) for entry in ring if _still_verifies(entry, now)),
    ]


def _still_verifies(entry: Mapping[str, Any], now: datetime) -> bool:
    if entry["state"] != "retired":
        return False
    not_after = entry.get("not_after")
    return not_after is None or datetime.fromisoformat(not_after) > now


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kid: str
    alg: PairAlgorithm
    private_jwk: dict[str, str]
    state: KeyState
    not_after: AwareDatetime | None = None

    @model_validator(mode="after")
    def _only_retired_keys_end(self) -> Self:
        if self.not_after is not None and self.state != "retired":
            raise ValueError("only a retired key has a not_after")
        return self


_RING = TypeAdapter(list[_Entry])


def _parse(ring: str | bytes) -> list[_Entry]:
    try:
        return _RING.validate_json(ring)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "ring"
        raise ValueError(f"{place}: {fault['msg']}") from None


def _symmetric(derived: bytes) -> SigningKey:
    def sign(text: bytes) -> bytes:
        return hmac.digest(derived, text, "sha256")

    def verifies(text: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(sign(text), signature)

    kid = hashlib.sha256(b"kid" + derived).hexdigest()[:16]
    return SigningKey(kid, "HS256", sign, verifies)


def _pair(entry: _Entry) -> SigningKey:
    from joserfc.jws import JWSRegistry

    try:
        private, public = _import_pair(entry.alg, {**entry.private_jwk})
    except Exception:
        # The message of the library can contain the key.
        raise ValueError(
            f"{entry.kid}: private_jwk is not a private key for {entry.alg}."
        ) from None
    if public.thumbprint() != entry.kid:
        raise ValueError(f"{entry.kid}: kid is not the RFC 7638 thumbprint of the key.")
    # Built from the public key, so that nothing private is published.
    public_jwk = {**public.as_dict(), "kid": entry.kid, "alg": entry.alg, "use": "sig"}
    algorithm = JWSRegistry(algorithms=[entry.alg]).get_alg(entry.alg)
    return SigningKey(
        entry.kid,
        entry.alg,
        partial(algorithm.sign, key=private),
        partial(algorithm.verify, key=public),
        public_jwk,
        entry.not_after,
    )


def _import_pair(
    algorithm: PairAlgorithm, jwk: dict[str, Any]
) -> "tuple[ECKey | OKPKey, ECKey | OKPKey]":
    from joserfc.jwk import ECKey, OKPKey

    kind = (algorithm, jwk["kty"], jwk["crv"])
    if kind == ("ES256", "EC", "P-256"):
        ec_key = ECKey.import_key({k: jwk[k] for k in ("kty", "crv", "x", "y", "d")})
        return ec_key, ECKey.import_key(ec_key.public_key)
    if kind == ("Ed25519", "OKP", "Ed25519"):
        okp_key = OKPKey.import_key({k: jwk[k] for k in ("kty", "crv", "x", "d")})
        return okp_key, OKPKey.import_key(okp_key.public_key)
    raise ValueError("the key does not fit the algorithm")
