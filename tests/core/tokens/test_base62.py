import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.tokens.base62 import base62_length, decode_base62, encode_base62


class TestBase62:
    @given(st.binary(max_size=64))
    def test_round_trips_with_a_length_that_depends_only_on_the_size(
        self, data: bytes
    ) -> None:
        text = encode_base62(data)

        assert len(text) == base62_length(len(data))
        assert decode_base62(text, len(data)) == data

    @pytest.mark.parametrize("text", ["zzzzzz", "00000", "0000000", "00000-", "00000é"])
    def test_refuses_text_that_does_not_decode_to_four_bytes(self, text: str) -> None:
        with pytest.raises(ValueError, match="base62"):
            decode_base62(text, 4)
