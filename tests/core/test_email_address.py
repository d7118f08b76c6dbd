from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.email_address import canonical_email, parse_email


class TestParseEmail:
    def test_keeps_the_case_to_send_and_ignores_it_to_compare(self) -> None:
        identity = parse_email("Ada.Lovelace@Example.ORG")

        assert identity.email == "Ada.Lovelace@example.org"
        assert identity.canonical == "ada.lovelace@example.org"

    def test_keeps_tags_and_dots_because_they_name_other_mailboxes(self) -> None:
        canonical = {
            parse_email(text).canonical
            for text in ("ada@example.org", "a.da@example.org", "ada+x@example.org")
        }

        assert len(canonical) == 3

    @pytest.mark.parametrize(
        ("text", "domain"),
        [
            ("ada@bücher.example", "xn--bcher-kva.example"),
            ("ada@BÜCHER.example", "xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("ada@\N{KELVIN SIGN}elvin.example", "kelvin.example"),
            ("ada@ｅxample.org", "example.org"),  # noqa: RUF001
        ],
    )
    def test_compares_domains_in_their_ascii_form(self, text: str, domain: str) -> None:
        identity = parse_email(text)

        assert identity.email == identity.canonical == f"ada@{domain}"

    @pytest.mark.parametrize(
        "text",
        [
            "\N{KELVIN SIGN}elvin@example.org",
            "m\N{LATIN SMALL LETTER DOTLESS I}ke@example.org",
            "\N{LATIN SMALL LIGATURE FI}@example.org",
            "\N{FULLWIDTH LATIN SMALL LETTER A}dmin@example.org",
            "\N{CYRILLIC SMALL LETTER A}dmin@example.org",
            "jose\N{COMBINING ACUTE ACCENT}@example.org",
        ],
    )
    def test_refuses_letters_that_look_like_those_of_another_account(
        self, text: str
    ) -> None:
        with pytest.raises(ValueError, match="not a valid"):
            parse_email(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org\n",
            "ada\0@example.org",
            "ada @example.org",
            " ada@example.org",
            "Ada <ada@example.org>",
            '"ada lovelace"@example.org',
            "ada@[127.0.0.1]",
            "ada@localhost",
            "a" * 65 + "@example.org",
            "\ud800@example.org",
            "ada@\ud800.org",
            "ada@example..org",
            "=?us-ascii?q?v=40x?=@example.org",
        ],
    )
    def test_refuses_a_malformed_address(self, text: str) -> None:
        with pytest.raises(ValueError, match="This is not a valid e-mail address"):
            parse_email(text)

    def test_refuses_an_address_that_is_too_long(self) -> None:
        with pytest.raises(ValueError, match="must not exceed 254"):
            parse_email("ada@" + "a." * 1_000_000 + "org")

    @given(st.text(max_size=40))
    def test_accepts_or_refuses_any_text(self, text: str) -> None:
        with suppress(ValueError):
            parse_email(text)

    @given(st.emails())
    def test_returns_an_address_that_is_equal_to_the_given_one(self, text: str) -> None:
        identity = parse_email(text)

        assert identity.email.isascii()
        assert parse_email(identity.email) == identity
        assert parse_email(identity.canonical).canonical == identity.canonical


class TestCanonicalEmail:
    def test_is_the_same_for_every_spelling(self) -> None:
        assert canonical_email("Ada@Example.ORG") == "ada@example.org"

    @pytest.mark.parametrize(
        "text", ["no address", " ada@example.org", "\N{KELVIN SIGN}@example.org"]
    )
    def test_of_a_malformed_address_matches_no_account(self, text: str) -> None:
        """Mutant: use `lower()`, which turns look-alike letters into ASCII letters."""
        assert canonical_email(text) == text
