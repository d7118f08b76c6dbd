import hmac
import re
import zlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.security import SecretRing
from app.core.tokens.base62 import decode_base62, encode_base62
from app.core.tokens.refresh import LENGTH, RefreshTokenInvalid, RefreshTokens

OLD, NEW = b"old" * 16, b"new" * 16
SALT = bytes(range(32))
SID = UUID("0193f2a0-0000-7000-8000-000000000001")

tokens = RefreshTokens(SecretRing(NEW))


def written(body: bytes) -> str:
    """A token with any body and the right checksum, as an attacker can make it."""
    text = "app_rt_" + encode_base62(body)
    return text + encode_base62(zlib.crc32(text.encode()).to_bytes(4))


def body_of(token: str) -> bytes:
    return decode_base62(token[7:-6], 38)


class TestIssue:
    @given(st.uuids(), st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32))
    def test_parses_the_token_that_was_issued(
        self, session_id: UUID, generation: int, salt: bytes
    ) -> None:
        parsed = tokens.parse(tokens.issue(session_id, generation, salt))

        assert (parsed.session_id, parsed.generation) == (session_id, generation)
        assert tokens.authentic(parsed, salt)

    def test_writes_65_characters_that_secret_scanners_recognise(self) -> None:
        token = tokens.issue(SID, 0, SALT)

        assert len(token) == LENGTH == 65
        assert re.fullmatch(r"app_(pat|rt|vt)_[0-9A-Za-z]{30,64}", token)

    def test_signs_version_key_session_and_generation_with_the_salt(self) -> None:
        ring = SecretRing(NEW)
        signed = bytes([1, ring.key_id]) + SID.bytes + (7).to_bytes(4)
        key = ring.derive("refresh-token-v1")
        mac = hmac.digest(key, b"rt1" + SALT + signed, "sha256")[:16]

        assert tokens.issue(SID, 7, SALT) == written(signed + mac)

    def test_writes_the_same_token_again_for_a_retry(self) -> None:
        assert tokens.issue(SID, 7, SALT) == tokens.issue(SID, 7, SALT)

    def test_depends_on_session_generation_and_salt(self) -> None:
        issued = {
            tokens.issue(session_id, generation, salt)
            for session_id in (SID, uuid4())
            for generation in (0, 1)
            for salt in (SALT, SALT[::-1])
        }

        assert len(issued) == 8


class TestParse:
    def test_finds_every_mistyped_character(self) -> None:
        token = tokens.issue(SID, 7, SALT)

        for place in range(LENGTH):
            wrong = "x" if token[place] != "x" else "y"
            with pytest.raises(RefreshTokenInvalid):
                tokens.parse(token[:place] + wrong + token[place + 1 :])

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "app_rt_",
            "app_rt_" + "0" * 58,
            "app_rt_" + "z" * 58,
            "app_rt_" + "0" * 57 + "é",
            "app_rt_" + "٣" * 58,
            "\ud800" * 65,
            "\0" * 65,
            "a" * 1_000_000,
            written(bytes(38)),
            written(bytes([2]) + bytes(37)),
            tokens.issue(SID, 7, SALT) + "\n",
            " " + tokens.issue(SID, 7, SALT),
            tokens.issue(SID, 7, SALT).upper(),
            tokens.issue(SID, 7, SALT).replace("app_rt_", "app_vt_"),
        ],
    )
    def test_refuses_text_that_is_not_a_token(self, token: str) -> None:
        with pytest.raises(RefreshTokenInvalid):
            tokens.parse(token)

    def test_refuses_more_than_the_body_can_hold(self) -> None:
        text = "app_rt_" + "z" * 52
        token = text + encode_base62(zlib.crc32(text.encode()).to_bytes(4))

        with pytest.raises(RefreshTokenInvalid):
            tokens.parse(token)

    @given(st.text(max_size=80))
    def test_refuses_any_text_with_the_same_error(self, token: str) -> None:
        with pytest.raises(RefreshTokenInvalid) as refusal:
            tokens.parse(token)

        assert (refusal.value.status, refusal.value.code) == (
            401,
            "refresh_token_invalid",
        )
        assert refusal.value.detail == RefreshTokenInvalid().detail

    def test_does_not_show_the_mac_in_its_repr(self) -> None:
        parsed = tokens.parse(tokens.issue(SID, 7, SALT))

        assert repr(parsed.mac) not in repr(parsed)


class TestAuthentic:
    def test_refuses_a_token_with_any_bit_flipped(self) -> None:
        body = body_of(tokens.issue(SID, 7, SALT))

        for bit in range(8, len(body) * 8):  # the first byte is the version
            forged = bytearray(body)
            forged[bit // 8] ^= 1 << bit % 8
            assert not tokens.authentic(tokens.parse(written(bytes(forged))), SALT)

    def test_refuses_an_invented_mac_for_a_known_session(self) -> None:
        body = body_of(tokens.issue(SID, 7, SALT))

        forged = tokens.parse(written(body[:22] + bytes(16)))

        assert forged.session_id == SID
        assert not tokens.authentic(forged, SALT)

    def test_refuses_a_valid_token_with_another_salt(self) -> None:
        parsed = tokens.parse(tokens.issue(SID, 7, SALT))

        assert not tokens.authentic(parsed, bytes(32))

    def test_accepts_tokens_of_the_previous_secret(self) -> None:
        parsed = tokens.parse(RefreshTokens(SecretRing(OLD)).issue(SID, 7, SALT))

        assert RefreshTokens(SecretRing(NEW, OLD)).authentic(parsed, SALT)
        assert not RefreshTokens(SecretRing(b"newest" * 8, NEW)).authentic(parsed, SALT)
