"""Refuses new passwords that are short or easy to guess (NIST SP 800-63B-4 §3.1.1).

No rule demands digits or symbols. `common.txt` lists the passwords that people choose
most. It also lists short words, because many passwords are such a word with digits
before or after it.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from app.core.errors import InvalidRequest
from app.core.passwords.hashing import MAX_LENGTH, UNSUPPORTED, normalise

_SEQUENCES = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "1234567890qwertyuiop",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "a1b2c3d4e5f6g7h8i9j0",
    "!@#$%^&*()",
)
_RUN = 4  # ordinary words contain shorter runs, such as "rst" in "first"
_RUNS = frozenset(
    line[start : start + _RUN]
    for sequence in _SEQUENCES
    for line in (sequence, sequence[::-1])
    for start in range(len(line) - _RUN + 1)
)
_SHORTEST_CONTEXT_WORD = 3
_WORD = re.compile(r"[^\W_]+")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


class WeakPassword(InvalidRequest):
    """The password is too short, too long, known or easy to guess, or contains NUL."""

    code = "password_weak"

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(
            message, [{"pointer": pointer, "code": code, "message": message}]
        )


def check_password(
    password: str, *, min_length: int, context: Iterable[str] = (), pointer: str
) -> None:
    """Raise `WeakPassword` with the first fault of the password, if it has one.

    `context` holds words that an attacker knows about the account, such as its e-mail
    address.
    """
    if fault := _find_fault(password, min_length, context):
        raise WeakPassword(pointer, *fault)


def _find_fault(
    password: str, min_length: int, context: Iterable[str]
) -> tuple[str, str] | None:
    if UNSUPPORTED.search(password):
        message = "The password must not contain NUL or unpaired surrogates."
        return "password_characters", message
    normalised = normalise(password)
    if normalised is None:
        message = f"The password must not exceed {MAX_LENGTH} characters."
        return "password_too_long", message
    if len(normalised) < min_length:
        message = f"The password must have at least {min_length} characters."
        return "password_too_short", message
    text = normalised.casefold()
    if _is_common(text):
        return "password_common", "Many people use this password. Choose another one."
    if _period(text) < min_length:
        message = "The password only repeats a shorter text. Add other words."
        return "password_repetitive", message
    if 2 * _count_predictable(text, context) > len(text):
        message = (
            "Use fewer sequences such as 1234, and less of your e-mail address and of "
            "the name of this service."
        )
        return "password_predictable", message
    return None


def _is_common(text: str) -> bool:
    stem = _ENDS.sub("", text)
    forms = {text, stem, text[: _period(text)], stem[: _period(stem)]}
    return not forms.isdisjoint(_common_passwords())


def _period(text: str) -> int:
    """Return the length of the part that `text` repeats, or its own length."""
    periods = range(1, len(text) // 2 + 1)
    return next((p for p in periods if text[p:] == text[:-p]), len(text))


def _count_predictable(text: str, context: Iterable[str]) -> int:
    """Count the characters that belong to a sequence or to a word of the context."""
    known: set[int] = set()
    for start in range(len(text) - _RUN + 1):
        run = text[start : start + _RUN]
        if run in _RUNS or len(set(run)) == 1:
            known.update(range(start, start + _RUN))
    for word in _context_words(context):
        start = -1
        while (start := text.find(word, start + 1)) >= 0:
            known.update(range(start, start + len(word)))
    return len(known)


def _context_words(context: Iterable[str]) -> set[str]:
    text = unicodedata.normalize("NFKC", " ".join(("password", *context))).casefold()
    return {w for w in _WORD.findall(text) if len(w) >= _SHORTEST_CONTEXT_WORD}


@lru_cache
def _common_passwords() -> frozenset[str]:
    path = Path(__file__).with_name("common.txt")
    return frozenset(path.read_text("utf-8").split())
