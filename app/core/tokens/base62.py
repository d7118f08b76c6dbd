"""Writes bytes as letters and digits, which a double click selects as one word."""

import math
import zlib
from string import ascii_letters, digits

ALPHABET = digits + ascii_letters
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def encode_base62(data: bytes) -> str:
    """Encode `data`. The length of the text depends only on the size of `data`."""
    number = int.from_bytes(data)
    characters = []
    for _ in range(base62_length(len(data))):
        number, value = divmod(number, 62)
        characters.append(ALPHABET[value])
    return "".join(reversed(characters))


def decode_base62(text: str, size: int) -> bytes:
    """Decode exactly `size` bytes. Raises `ValueError` for any other text."""
    number = 0
    try:
        for character in text:
            number = number * 62 + _VALUES[character]
        data = number.to_bytes(size)
    except (KeyError, OverflowError):
        raise ValueError(f"The text is not base62 of {size} bytes.") from None
    if len(text) != base62_length(size):
        raise ValueError(f"The text is not base62 of {size} bytes.")
    return data


def base62_length(size: int) -> int:
    """Return the number of characters that encode `size` bytes."""
    return math.ceil(size * 8 / math.log2(62))


def checksum(text: str) -> str:
    """Return the CRC-32 of a text in six characters. A checksum finds typing errors."""
    return encode_base62(zlib.crc32(text.encode()).to_bytes(4))
