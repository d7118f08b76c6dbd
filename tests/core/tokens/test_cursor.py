import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.security import SecretRing
from app.core.tokens.cursor import (
    MAX_LENGTH,
    CursorInvalid,
    CursorSigner,
    JsonScalar,
)

OLD, NEW = b"old" * 16, b"new" * 16
POSITION: list[JsonScalar] = ["2026-11-22T10:00:00Z", "0193"]

signer = CursorSigner(SecretRing(NEW))

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=50)
)


class TestCursorSigner:
    @given(st.lists(scalars, max_size=4), st.text(max_size=50))
    def test_decodes_the_position_that_was_encoded(
        self, position: list[JsonScalar], context: str
    ) -> None:
        assert signer.decode(signer.encode(position, context), context) == position

    def test_writes_only_characters_that_a_url_keeps(self) -> None:
        cursor = signer.encode(["?" * n for n in range(8)], "")

        assert cursor.replace("-", "").replace("_", "").isalnum()
        assert cursor.isascii()

    def test_refuses_the_cursor_of_another_context(self) -> None:
        cursor = signer.encode(POSITION, "user=1")

        with pytest.raises(CursorInvalid) as refusal:
            signer.decode(cursor, "user=2")

        assert (refusal.value.status, refusal.value.code) == (400, "cursor_invalid")

    def test_refuses_a_cursor_with_any_bit_flipped(self) -> None:
        cursor = signer.encode(POSITION, "c")
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

        for bit in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            text = base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
            with pytest.raises(CursorInvalid):
                signer.decode(text, "c")

    @pytest.mark.parametrize("size", range(3))
    def test_refuses_every_other_spelling_of_a_cursor(self, size: int) -> None:
        cursor = signer.encode(["x" * size], "c")
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        spellings = {cursor[:-1] + character for character in last}
        spellings |= {cursor + "=", cursor + "==", cursor + "\n", " " + cursor}
        spellings |= {cursor[:5] + "!" + cursor[5:], cursor[:5] + "é" + cursor[5:]}

        for spelling in spellings - {cursor}:
            with pytest.raises(CursorInvalid):
                signer.decode(spelling, "c")

    @pytest.mark.parametrize(
        "cursor", ["", "A", "AA", "=", "é", "\ud800", "\0", "A" * 23, "A" * 1_000_000]
    )
    def test_refuses_text_that_is_not_a_cursor(self, cursor: str) -> None:
        with pytest.raises(CursorInvalid):
            signer.decode(cursor, "c")

    def test_encodes_the_longest_name_and_refuses_more(self) -> None:
        assert len(signer.encode(["\x01" * 200, "0" * 32], "c")) <= MAX_LENGTH
        with pytest.raises(ValueError, match="too long"):
            signer.encode(["x" * 2000], "c")

    def test_accepts_cursors_of_the_previous_secret(self) -> None:
        cursor = CursorSigner(SecretRing(OLD)).encode(POSITION, "c")

        assert CursorSigner(SecretRing(NEW, OLD)).decode(cursor, "c") == POSITION
        with pytest.raises(CursorInvalid):
            CursorSigner(SecretRing(b"newest" * 8, NEW)).decode(cursor, "c")
