import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from app.core.security import SecretRing
from app.core.tokens.signing_keys import SigningKeys, generate, rotate

OLD, NEW = b"old" * 16, b"new" * 16
CURRENT, NEXT, RETIRED = generate(), generate("Ed25519", "next"), generate()
RETIRED["state"] = "retired"


def at(**from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**from_now)).isoformat()


def load(*ring: dict[str, Any]) -> SigningKeys:
    return SigningKeys.from_ring(json.dumps(ring))


class TestFromSecret:
    def test_signs_with_the_current_secret_and_verifies_with_both(self) -> None:
        before = SigningKeys.from_secret(SecretRing(OLD))
        after = SigningKeys.from_secret(SecretRing(NEW, OLD))

        assert after.current.algorithm == "HS256"
        assert after.current.kid != before.current.kid
        assert after.find(before.current.kid) == before.current
        assert before.find(after.current.kid) is None

    def test_publishes_nothing(self) -> None:
        assert SigningKeys.from_secret(SecretRing(NEW)).jwks() is None

    def test_shows_no_key_in_its_repr(self) -> None:
        current = SigningKeys.from_secret(SecretRing(NEW)).current

        assert repr(current) == (
            f"SigningKey(kid='{current.kid}', algorithm='HS256', "
            "public_jwk=None, not_after=None)"
        )


class TestFromRing:
    @pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
    def test_finds_keys_of_every_state_by_thumbprint(self, algorithm: str) -> None:
        upcoming = generate("ES256" if algorithm == "ES256" else "Ed25519", "next")

        keys = load(upcoming, RETIRED, CURRENT)

        assert keys.current.kid == CURRENT["kid"]
        found = keys.find(upcoming["kid"])
        assert found is not None
        assert found.algorithm == algorithm
        assert keys.find(RETIRED["kid"]) is not None
        assert keys.find("unknown") is None

    def test_publishes_only_public_keys(self) -> None:
        jwks = load(CURRENT, NEXT, RETIRED).jwks()

        assert jwks is not None
        assert {key["kid"]: set(key) for key in jwks["keys"]} == {
            CURRENT["kid"]: {"kty", "crv", "x", "y", "kid", "alg", "use"},
            RETIRED["kid"]: {"kty", "crv", "x", "y", "kid", "alg", "use"},
            NEXT["kid"]: {"kty", "crv", "x", "kid", "alg", "use"},
        }
        for entry in (CURRENT, NEXT, RETIRED):
            assert entry["private_jwk"]["d"] not in json.dumps(jwks)

    def test_does_not_publish_unknown_members_of_a_key(self) -> None:
        jwk = {**CURRENT["private_jwk"], "seed": "very-private", "key_ops": "sign"}

        keys = load({**CURRENT, "private_jwk": jwk})

        assert "very-private" not in json.dumps(keys.jwks())

    def test_drops_a_key_that_has_expired(self) -> None:
        keys = load(CURRENT, {**RETIRED, "not_after": at(seconds=-1)})

        assert keys.find(RETIRED["kid"]) is None
        assert RETIRED["kid"] not in json.dumps(keys.jwks())

    def test_keeps_a_key_until_it_expires(self) -> None:
        keys = load(CURRENT, {**RETIRED, "not_after": at(hours=1)})

        assert keys.find(RETIRED["kid"]) is not None
        assert RETIRED["kid"] in json.dumps(keys.jwks())

    @pytest.mark.parametrize(
        ("ring", "reason"),
        [
            ([], "0 current keys"),
            ([RETIRED, NEXT], "0 current keys"),
            ([CURRENT, {**RETIRED, "state": "current"}], "2 current keys"),
            ([CURRENT, NEXT, {**RETIRED, "state": "next"}], "more than one next"),
            ([CURRENT, {**CURRENT, "state": "retired"}], "same key twice"),
            ([{**CURRENT, "kid": "mine"}], "thumbprint"),
            ([{**CURRENT, "kid": NEXT["kid"]}], "thumbprint"),
            ([{**CURRENT, "alg": "HS256"}], "alg"),
            ([{**CURRENT, "alg": "Ed25519"}], "not a private key for Ed25519"),
            ([{**CURRENT, "state": "old"}], "state"),
            ([{**CURRENT, "extra": 1}], "extra"),
            ([{**CURRENT, "not_after": at(days=1)}], "only a retired key"),
            ([{**RETIRED, "not_after": "2026-11-22T10:00:00"}], "not_after"),
            ([{k: v for k, v in CURRENT.items() if k != "alg"}], "alg"),
            ({"keys": [CURRENT]}, "array"),
        ],
    )
    def test_refuses_a_ring_that_breaks_a_rule(self, ring: object, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            SigningKeys.from_ring(json.dumps(ring))

    @pytest.mark.parametrize(
        "jwk",
        [
            {},
            {k: v for k, v in CURRENT["private_jwk"].items() if k != "d"},
            {**CURRENT["private_jwk"], "d": generate()["private_jwk"]["d"]},
            {**CURRENT["private_jwk"], "d": "*" + CURRENT["private_jwk"]["d"][1:]},
            {**CURRENT["private_jwk"], "crv": "P-384"},
            {**CURRENT["private_jwk"], "kty": "oct"},
            dict(ECKey.generate_key("P-384").as_dict(private=True)),
            dict(OKPKey.generate_key("X25519").as_dict(private=True)),
        ],
    )
    def test_refuses_incomplete_keys_without_showing_them(
        self, jwk: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match="not a private key for ES256") as refusal:
            load({**CURRENT, "private_jwk": jwk})

        shown = "".join(traceback.format_exception(refusal.value))
        assert not any(jwk.get(name, "absent") in shown for name in ("d", "x"))

    @pytest.mark.parametrize("text", ["", "{", '[{"private_jwk": {"d": "S3cret"'])
    def test_refuses_malformed_json_without_showing_it(self, text: str) -> None:
        with pytest.raises(ValueError, match="JSON") as refusal:
            SigningKeys.from_ring(text)

        assert "S3cret" not in "".join(traceback.format_exception(refusal.value))

    def test_trusts_the_thumbprint_of_the_key_that_signs(self) -> None:
        other = generate("Ed25519")["private_jwk"]["x"]
        jwk = {**NEXT["private_jwk"], "x": other}
        thumbprint = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": other})

        with pytest.raises(ValueError, match="thumbprint"):
            load(CURRENT, {**NEXT, "kid": thumbprint.thumbprint(), "private_jwk": jwk})


class TestRotate:
    def test_promotes_next_retires_current_and_adds_a_new_next(self) -> None:
        ring = [CURRENT, NEXT]

        rotated = rotate(ring)

        assert [(entry["kid"], entry["state"]) for entry in rotated[::2]] == [
            (NEXT["kid"], "current"),
            (CURRENT["kid"], "retired"),
        ]
        assert rotated[1]["state"] == "next"
        assert rotated[1]["alg"] == NEXT["alg"]
        assert load(*rotated).find(CURRENT["kid"]) is not None
        assert ring == [CURRENT, NEXT]

    def test_makes_a_current_key_where_there_is_no_next(self) -> None:
        rotated = rotate([CURRENT])

        assert [entry["state"] for entry in rotated] == ["current", "next", "retired"]
        assert len({entry["kid"] for entry in rotated}) == 3
        assert load(*rotated).current.kid != CURRENT["kid"]

    def test_drops_retired_keys_that_have_expired(self) -> None:
        gone = {**RETIRED, "not_after": at(seconds=-1)}
        other = {**generate(), "state": "retired", "not_after": at(hours=1)}

        kids = {entry["kid"] for entry in rotate([CURRENT, gone, other])}

        assert other["kid"] in kids
        assert gone["kid"] not in kids

    def test_can_be_repeated_without_limit(self) -> None:
        ring = [generate()]
        for _ in range(4):
            ring = rotate(ring)

        assert [entry["state"] for entry in ring].count("retired") == 4
        assert load(*ring).current.kid == ring[0]["kid"]

    def test_refuses_a_ring_that_could_not_be_loaded(self) -> None:
        with pytest.raises(ValueError, match="0 current keys"):
            rotate([NEXT])
