import random
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.core.passwords
from app.core.passwords.policy import WeakPassword, check_password

CONTEXT = ("Lanternbay", "ada.lovelace", "example.org")


def common_passwords() -> list[str]:
    path = Path(app.core.passwords.__path__[0]) / "common.txt"
    return path.read_text("utf-8").split()


check = partial(check_password, pointer="#/password")


def fault(password: str, min_length: int = 12) -> str:
    with pytest.raises(WeakPassword) as refusal:
        check(password, min_length=min_length, context=CONTEXT)
    [error] = refusal.value.errors
    code: str = error["code"]
    return code


class TestRefusal:
    def test_names_the_field(self) -> None:
        with pytest.raises(WeakPassword) as refusal:
            check_password("short", min_length=12, pointer="#/new_password")

        assert (refusal.value.status, refusal.value.code) == (422, "password_weak")
        assert refusal.value.errors == [
            {
                "pointer": "#/new_password",
                "code": "password_too_short",
                "message": "The password must have at least 12 characters.",
            }
        ]

    @given(st.text("qxzjk0123", min_size=2))
    def test_does_not_repeat_the_password(self, password: str) -> None:
        with pytest.raises(WeakPassword) as refusal:
            check(password * 2 + "\0", min_length=12)

        assert password * 2 not in str(refusal.value.errors)


class TestLength:
    @pytest.mark.parametrize(
        ("length", "code"),
        [(11, "password_too_short"), (129, "password_too_long")],
    )
    def test_refuses_one_character_beyond_the_limits(
        self, length: int, code: str
    ) -> None:
        assert fault(("h7#Kq" * 26 + "x")[:length]) == code

    @pytest.mark.parametrize("length", [12, 64, 128])
    def test_accepts_the_limits(self, length: int) -> None:
        letters = "".join(random.Random(1).choices("abcdefghjkmnp", k=128))  # noqa: S311

        check(letters[:length], min_length=12)

    def test_counts_code_points_after_normalising(self) -> None:
        assert (
            fault("e\u0301u\u0308o\u0308a\u0300i\u0308o\u0302") == "password_too_short"
        )
        check("ﬁ7ﬁxﬁqﬁzﬁkﬁpﬁw", min_length=15)
        check("😀🎉🚀🌟🔥💎🎸🌈🍕🎯🐙🧩", min_length=12)

    @pytest.mark.parametrize("character", ["\0", "\ud800", "x\udfff"])
    def test_refuses_nul_and_lone_surrogates(self, character: str) -> None:
        assert fault(f"h7#Kq{character}vTz9#Lw") == "password_characters"

    @pytest.mark.parametrize(
        "text", ["a" * 1_000_000, "\u0316\u0301" * 500_000, "\u0301" * 513]
    )
    def test_refuses_huge_texts(self, text: str) -> None:
        assert fault(text) == "password_too_long"


class TestGoodPasswords:
    @pytest.mark.parametrize(
        "password",
        [
            "correct horse battery staple",
            "x7Kq!vTz9#Lw",
            "482915730264",
            "all lower case letters",
            "   spaced   out   words   ",
            "mein erster Hund hieß Bello",
            "первая любовь моя",
            "the first power of understudies",
            "lanternbay keeps my other secrets dry",
        ],
    )
    def test_are_accepted_without_required_kinds_of_characters(
        self, password: str
    ) -> None:
        check(password, min_length=12, context=CONTEXT)


class TestCommonPasswords:
    def test_are_at_least_3000_in_a_small_file(self) -> None:
        words = common_passwords()

        assert sum(len(word) >= 8 for word in words) > 3000
        assert len("\n".join(words).encode()) < 100_000
        assert words == sorted(set(words))
        assert all(word == word.casefold() for word in words)

    def test_are_all_refused(self) -> None:
        for word in common_passwords():
            if len(word) >= 8:
                assert fault(word, min_length=8) == "password_common"
                assert fault(word.upper(), min_length=8) == "password_common"

    @pytest.mark.parametrize(
        "password",
        [
            "Password1234",
            "!!Sunshine2024",
            "1234monkey5678",
            "iloveyou____",
            "passwordpassword",
            "PasswordPassword1!",
            "letmeinletmein",
            "wasdwasd1234",
            "1qaz2wsx1qaz2wsx",
            "ｐａｓｓｗｏｒｄ１２３４",  # noqa: RUF001
        ],
    )
    def test_are_recognised_with_added_digits_and_symbols(self, password: str) -> None:
        assert fault(password) == "password_common"


class TestRepetition:
    @pytest.mark.parametrize(
        "password", ["z" * 12, "z" * 128, "xyxyxyxyxyxy", "h7#Kqh7#Kqh7#", " " * 20]
    )
    def test_is_refused(self, password: str) -> None:
        assert fault(password) == "password_repetitive"

    def test_is_accepted_if_the_repeated_part_is_long_enough(self) -> None:
        check("x7Kq!vTz9#Lw" * 2, min_length=12)


class TestPredictability:
    @pytest.mark.parametrize(
        "password",
        [
            "abcdefghijkl",
            "ZYXWVUTSRQPO",
            "345678901234",
            "fghj5678dfgh",
            "3edc4rfv5tgb",
            "a1b2c3d4e5f6",
            "zzzzzzzzzzz7",
            "aaaaabbbbbcc",
            "x7zzzzzzzzzK",
        ],
    )
    def test_of_sequences_is_refused(self, password: str) -> None:
        assert fault(password) == "password_predictable"

    @pytest.mark.parametrize(
        "password",
        [
            "Lanternbay-2024",
            "ada.lovelace1815",
            "AdaLovelace#99",
            "1lovelace2lovelace",
            "example.org-ada",
            "LANTERNBAY lanternbay",
            "MyLanternbayPassword1",
            "Ｌanternbay-2024",  # noqa: RUF001
        ],
    )
    def test_from_the_data_of_the_account_is_refused(self, password: str) -> None:
        assert fault(password) == "password_predictable"
        check(password[:3] + "h7#Kq!vTz9#Lw", min_length=12, context=CONTEXT)

    def test_is_accepted_in_at_most_half_of_the_password(self) -> None:
        check("lovelaceh7#Kqv!T", min_length=12, context=CONTEXT)
        assert fault("lovelaceh7#Kqv!") == "password_predictable"

    def test_check_accepts_any_data_of_the_account(self) -> None:
        strange = ("", "\ud800", "(", "a" * 100_000, "x-" * 1000, "[^")

        check("correct horse battery staple", min_length=12, context=strange)
