import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64encode
from pydantic import ValidationError

from app.core.security import SecretRing
from app.core.tokens import access, signing_keys
from app.core.tokens.access import MAX_LENGTH, AccessTokens, InvalidAccessToken
from app.core.tokens.signing_keys import SigningKey, SigningKeys, generate, rotate

OLD, NEW = b"old" * 16, b"new" * 16
USER = UUID("0193f2a0-0000-7000-8000-000000000001")
SESSION = UUID("0193f2a0-0000-7000-8000-000000000002")
LIFETIME = timedelta(minutes=10)

SECRET_KEYS = SigningKeys.from_secret(SecretRing(NEW))
KEY = SECRET_KEYS.current
PAIR_KEYS = SigningKeys.from_ring(json.dumps([generate("ES256")]))
EDWARDS_KEYS = SigningKeys.from_ring(json.dumps([generate("Ed25519")]))


def service(
    keys: SigningKeys = SECRET_KEYS,
    issuer: str = "https://api.example",
    audience: str = "api",
    lifetime: timedelta = LIFETIME,
) -> AccessTokens:
    return AccessTokens(keys, issuer, audience, lifetime)


def issue(tokens: AccessTokens) -> str:
    return tokens.issue(USER, SESSION, "a:read b:write", datetime.now(UTC))


def header(**changes: Any) -> dict[str, Any]:
    return changed({"alg": "HS256", "kid": KEY.kid, "typ": "at+jwt"}, changes)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": "https://api.example",
        "aud": "api",
        "sub": str(USER),
        "sid": str(SESSION),
        "jti": str(USER),
        "client_id": "first-party",
        "scope": "",
        "iat": now,
        "exp": now + 600,
        "auth_time": now,
        "amr": ["pwd"],
        "acr": "aal1",
    }
    return changed(usual, changes)


def changed(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in {**usual, **changes}.items() if v is not ...}


def signed(header: object, claims: object, key: SigningKey = KEY) -> str:
    """Sign any header and any claims with the service's key."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header, claims)
    ]
    text = b".".join(map(urlsafe_b64encode, parts))
    return (text + b"." + urlsafe_b64encode(key.sign(text))).decode()


def refuses(token: str, tokens: AccessTokens | None = None) -> str:
    """Assert that the token is refused, and return the reason for the log."""
    with pytest.raises(InvalidAccessToken) as refusal:
        (tokens or service()).verify(token)
    assert refusal.value.status == 401
    assert refusal.value.code == "invalid_token"
    assert refusal.value.detail.startswith("The access token is not valid.")
    assert refusal.value.headers == {
        "WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'
    }
    return refusal.value.reason


def later_by(delta: timedelta) -> type[datetime]:
    """Return a clock that is ahead."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + delta

    return Later


class TestRoundTrip:
    @pytest.mark.parametrize("keys", [SECRET_KEYS, PAIR_KEYS, EDWARDS_KEYS])
    def test_reads_the_claims_that_were_issued(self, keys: SigningKeys) -> None:
        tokens = service(keys)
        now = datetime.now(UTC).replace(microsecond=0)

        read = tokens.verify(
            tokens.issue(USER, SESSION, "a b", now, amr=("pwd", "otp"), acr="aal2")
        )

        assert (read.sub, read.sid, read.scope) == (USER, SESSION, "a b")
        assert (read.amr, read.acr, read.auth_time) == (("pwd", "otp"), "aal2", now)
        assert read.exp - read.iat == LIFETIME
        assert read.iat - now <= timedelta(seconds=2)
        assert read.client_id == "first-party"

    def test_gives_every_token_its_own_id(self) -> None:
        tokens = service()

        ids = {tokens.verify(issue(tokens)).jti for _ in range(100)}

        assert len(ids) == 100

    def test_accepts_the_token_that_the_attacks_below_change(self) -> None:
        assert service().verify(signed(header(), claims())).sub == USER

    def test_returns_claims_that_cannot_be_changed(self) -> None:
        read = service().verify(signed(header(), claims()))

        with pytest.raises(ValidationError, match="frozen"):
            read.sub = SESSION  # type: ignore[misc]

    @given(st.text("abc:_ ", max_size=60), st.uuids(), st.uuids())
    def test_accepts_any_user_session_and_scope(
        self, scope: str, user_id: UUID, session_id: UUID
    ) -> None:
        tokens = service()

        read = tokens.verify(
            tokens.issue(user_id, session_id, scope, datetime.now(UTC))
        )

        assert (read.sub, read.sid, read.scope) == (user_id, session_id, scope)


class TestKeyRotation:
    def test_accepts_tokens_of_the_previous_secret(self) -> None:
        token = issue(service(SigningKeys.from_secret(SecretRing(OLD))))

        after = service(SigningKeys.from_secret(SecretRing(NEW, OLD)))
        assert after.verify(token).sub == USER
        refuses(token, service(SigningKeys.from_secret(SecretRing(NEW))))

    def test_accepts_tokens_after_a_rotation_of_the_ring(self) -> None:
        ring = [generate()]
        token = issue(service(SigningKeys.from_ring(json.dumps(ring))))

        rotated = service(SigningKeys.from_ring(json.dumps(rotate(ring))))

        assert rotated.verify(token).sub == USER
        assert rotated.verify(issue(rotated)).sub == USER


class TestTokenFormat:
    def test_refuses_a_changed_character_at_any_place(self) -> None:
        token = issue(service())

        for place in range(len(token)):
            wrong = "x" if token[place] != "x" else "y"
            refuses(token[:place] + wrong + token[place + 1 :])

    @pytest.mark.parametrize(
        "disguise",
        [
            "{}=",
            "{}==",
            "{}\n",
            " {}",
            "{} ",
            "{}.",
            ".{}",
            "{}.{}",
            "Bearer {}",
            "{}é",
        ],
    )
    def test_refuses_every_other_spelling_of_a_token(self, disguise: str) -> None:
        token = issue(service())

        assert refuses(disguise.format(token, token)) == "shape"

    @pytest.mark.parametrize("token", ["", "..", "a.b", "a..c", "\ud800.\0.é", "a.b.c"])
    def test_refuses_text_that_is_not_a_token(self, token: str) -> None:
        refuses(token)

    def test_refuses_a_long_token_before_reading_it(self) -> None:
        within = signed(header(), claims(scope="x" * 2640))
        beyond = signed(header(), claims(scope="x" * 2760))

        assert len(within) <= MAX_LENGTH < len(beyond)
        assert service().verify(within).sub == USER
        assert refuses(beyond) == "shape"
        assert refuses("a." * 2_000_000) == "shape"

    def test_refuses_another_last_character_of_the_signature(self) -> None:
        token = issue(service())
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

        for character in set(alphabet) - {token[-1]}:
            refuses(token[:-1] + character)

    @given(st.text(max_size=60) | st.from_regex(r"\A[\w-]+\.[\w-]+\.[\w-]+\Z"))
    def test_refuses_any_text_with_the_same_error(self, token: str) -> None:
        with pytest.raises(InvalidAccessToken):
            service().verify(token)

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    @pytest.mark.parametrize("depth", [150, 1500])
    def test_survives_deep_nesting(self, opening: str, depth: int) -> None:
        nested = opening * min(depth, 2800 // len(opening))
        closing = "1" + ("]" if opening == "[" else "}") * len(nested)
        whole = (nested + closing)[:2900].encode()

        refuses(signed(b'{"alg":"HS256","x":' + whole + b"}", claims()))
        refuses(signed(header(), b'{"x":' + whole + b"}"))


class TestTokenHeader:
    @pytest.mark.parametrize(
        "typ", ["AT+JWT", "application/at+jwt", "Application/AT+jwt"]
    )
    def test_accepts_every_spelling_of_the_type_in_rfc_9068(self, typ: str) -> None:
        assert service().verify(signed(header(typ=typ), claims())).sub == USER

    @pytest.mark.parametrize(
        "typ", ["JWT", "jwt", "refresh+jwt", "", "at+jwt ", None, 1, ["at+jwt"], ...]
    )
    def test_refuses_any_other_type(self, typ: object) -> None:
        refuses(signed(header(typ=typ), claims()))

    @pytest.mark.parametrize("kid", ["unknown", "", None, 1, [], "../../dev/null", ...])
    def test_refuses_an_unknown_key(self, kid: object) -> None:
        refuses(signed(header(kid=kid), claims()))

    @pytest.mark.parametrize("alg", ["none", "None", "", "HS512", "ES256", None, ...])
    def test_refuses_any_algorithm_but_the_one_of_the_key(self, alg: object) -> None:
        refuses(signed(header(alg=alg), claims()))

    def test_refuses_a_token_without_a_signature(self) -> None:
        text, _, _ = signed(header(alg="none"), claims()).rpartition(".")

        assert refuses(text + ".") == "shape"
        assert refuses(text + ".AA") == "alg"

    @pytest.mark.parametrize(
        "extra",
        [
            {"jku": "https://evil.example/keys"},
            {"jwk": {"kty": "oct", "k": "AAAA"}},
            {"x5u": "https://evil.example/cert"},
            {"x5c": ["AAAA"]},
            {"x5t": "AAAA"},
            {"crit": ["exp"]},
            {"crit": ["b64"], "b64": False},
            {"b64": True},
            {"zip": "DEF"},
            {"enc": "A256GCM"},
            {"cty": "JWT"},
            {"unknown": 1},
        ],
    )
    def test_refuses_any_other_parameter(self, extra: dict[str, Any]) -> None:
        refuses(signed(header(**extra), claims()))

    @pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"HS256"', b"{", b"\xff"])
    def test_refuses_a_header_that_is_not_an_object(self, text: bytes) -> None:
        refuses(signed(text, claims()))

    def test_refuses_the_public_key_used_as_a_secret(self) -> None:
        published = PAIR_KEYS.current.public_jwk
        assert published is not None
        public = ECKey.import_key({**published})
        for secret in (public.as_pem(), public.as_der(), json.dumps(public.as_dict())):
            raw = secret.encode() if isinstance(secret, str) else secret
            sign = partial(hmac.digest, raw, digest="sha256")
            key = replace(PAIR_KEYS.current, algorithm="HS256", sign=sign)
            forged = signed(header(kid=key.kid), claims(), key)

            assert refuses(forged, service(PAIR_KEYS)) == "alg"

    def test_refuses_a_signature_of_another_key(self) -> None:
        other = SigningKeys.from_secret(SecretRing(OLD)).current

        assert refuses(signed(header(), claims(), other)) == "signature"


class TestTokenClaims:
    @pytest.mark.parametrize("name", sorted(set(claims())))
    def test_refuses_a_token_without_a_claim(self, name: str) -> None:
        assert refuses(signed(header(), claims(**{name: ...}))) == "ValidationError"

    @pytest.mark.parametrize("name", sorted(set(claims())))
    @pytest.mark.parametrize("value", [None, True, 1.5, {}, 10**30, -(10**30)])
    def test_refuses_a_claim_of_another_type(self, name: str, value: object) -> None:
        refuses(signed(header(), claims(**{name: value})))

    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": "9999999999"},
            {"exp": int(time.time()) + 60.0},
            {"iat": str(int(time.time()))},
            {"iss": "https://api.example/"},
            {"iss": ["https://api.example"]},
            {"aud": "other"},
            {"aud": "my-api"},
            {"aud": []},
            {"aud": ["other", "ap"]},
            {"aud": [["api"]]},
            {"sub": "1"},
            {"sub": USER.int},
            {"amr": "pwd"},
            {"amr": [1]},
        ],
    )
    def test_refuses_a_claim_with_an_unexpected_value(
        self, changes: dict[str, Any]
    ) -> None:
        refuses(signed(header(), claims(**changes)))

    @pytest.mark.parametrize("text", [b"[]", b"1", b"null", b"{", b'{"exp":NaN}'])
    def test_refuses_claims_that_are_not_an_object(self, text: bytes) -> None:
        refuses(signed(header(), text))

    @pytest.mark.parametrize("audience", [["api"], ["other", "api"]])
    def test_accepts_a_list_that_contains_the_audience(
        self, audience: Sequence[str]
    ) -> None:
        assert service().verify(signed(header(), claims(aud=audience))).sub == USER

    def test_refuses_the_token_of_another_service(self) -> None:
        token = issue(service())

        assert refuses(token, service(issuer="https://other.example")) == "iss"
        assert refuses(token, service(audience="other")) == "aud"


class TestRepeatedMembers:
    """If a name is repeated, our parsers use the last value, others use the first."""

    @pytest.mark.parametrize("name", [b'"sub"', b'"\\u0073ub"', b'"other"'])
    @pytest.mark.parametrize("separator", [b",", b" , "])
    def test_in_the_claims_are_refused(self, name: bytes, separator: bytes) -> None:
        member = name + b':"' + str(SESSION).encode() + b'"'
        once = b"{" + member + separator + json.dumps(claims()).encode()[1:]
        twice = b"{" + member + separator + once[1:]

        assert refuses(signed(header(), twice)) == "BodyMalformed"
        if name == b'"other"':
            assert service().verify(signed(header(), once)).sub == USER
        else:
            refuses(signed(header(), once))

    def test_in_the_header_are_refused(self) -> None:
        once = json.dumps(header()).encode()
        twice = b'{"kid":"unknown",' + once[1:]

        assert service().verify(signed(once, claims())).sub == USER
        assert refuses(signed(twice, claims())) == "BodyMalformed"

    def test_inside_a_claim_are_refused(self) -> None:
        text = json.dumps(claims()).encode()[:-1] + b',"act":{"sub":1,"sub":2}}'

        assert refuses(signed(header(), text)) == "BodyMalformed"


class TestTokenLifetime:
    @pytest.mark.parametrize(
        ("iat", "exp"),
        [(-300, 300), (-600, 0), (-601, -1), (2, 600), (25, 600), (0, 1)],
    )
    def test_accepts_a_token_within_its_lifetime_and_the_leeway(
        self, iat: int, exp: int
    ) -> None:
        now = int(time.time())

        token = signed(header(), claims(iat=now + iat, exp=now + exp))

        assert service().verify(token).sub == USER

    @pytest.mark.parametrize(
        ("iat", "exp", "reason"),
        [
            (-606, -6, "expired"),
            (-600, -3600, "expired"),
            (40, 600, "not yet valid"),
            (0, 601, "lifetime"),
            (-3600, 300, "lifetime"),
            (0, 10**9, "lifetime"),
        ],
    )
    def test_refuses_a_token_outside_its_lifetime(
        self, iat: int, exp: int, reason: str
    ) -> None:
        now = int(time.time())

        token = signed(header(), claims(iat=now + iat, exp=now + exp))

        assert refuses(token) == reason

    def test_refuses_a_token_before_its_nbf_time(self) -> None:
        now = int(time.time())

        assert refuses(signed(header(), claims(nbf=now + 60))) == "not yet valid"
        assert service().verify(signed(header(), claims(nbf=now))).sub == USER

    def test_refuses_a_password_given_in_the_future(self) -> None:
        """Mutant: accept such a token, which then stays fresh for ever."""
        later = int(time.time()) + 60

        assert refuses(signed(header(), claims(auth_time=later))) == "not yet valid"

    @pytest.mark.parametrize(
        ("later", "reason"),
        [(LIFETIME, None), (LIFETIME + timedelta(seconds=6), "expired")],
    )
    def test_is_checked_again_for_a_token_that_was_accepted(
        self, monkeypatch: pytest.MonkeyPatch, later: timedelta, reason: str | None
    ) -> None:
        """Mutant: remember only that a token was accepted, and not its claims."""
        tokens = service()
        token = issue(tokens)
        tokens.verify(token)

        with monkeypatch.context() as patched:
            patched.setattr(access, "datetime", later_by(later))
            if reason is None:
                assert tokens.verify(token).sub == USER
            else:
                assert refuses(token, tokens) == reason

    def test_ends_with_the_key_of_a_token_that_was_accepted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: forget that a retired key of the ring expires."""
        ring = [generate()]
        token = issue(service(SigningKeys.from_ring(json.dumps(ring))))
        ring = rotate(rotate(ring))
        tokens = service(SigningKeys.from_ring(json.dumps(ring)))
        tokens.verify(token)

        monkeypatch.setattr(signing_keys, "datetime", later_by(signing_keys.RETIREMENT))

        assert refuses(token, tokens) == "kid"

    def test_refuses_a_wrong_signature_each_time(self) -> None:
        """Mutant: remember what a token says before its signature was checked."""
        tokens = service()
        forged = issue(service(SigningKeys.from_secret(SecretRing(OLD))))

        assert {refuses(forged, tokens) for _ in range(3)} == {"kid"}
        assert tokens._remembered.cache_info().currsize == 0  # type: ignore[attr-defined]

    def test_refuses_a_token_that_lives_longer_than_the_setting(self) -> None:
        token = issue(service(lifetime=timedelta(minutes=30)))

        assert refuses(token) == "lifetime"
