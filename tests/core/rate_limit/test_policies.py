"""The table of limits, and the settings that it reads."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from app.core.rate_limit.policies import policies
from tests.conftest import make_settings
from tests.notes.served import NotesSettings


class TestPolicies:
    def test_read_their_settings(self) -> None:
        table = policies(
            make_settings(
                rate_limit_requests=7,
                rate_limit_window_seconds=70,
                login_failures_per_ip=8,
                login_failures_per_account=9,
                login_failures_window_seconds=90,
                rate_limit_writes="10/100",
                rate_limit_all="11/110",
            )
        )

        rates = {
            name: (policy.limit, policy.window // timedelta(seconds=1))
            for name, policy in table.items()
        }
        expected = {
            **dict.fromkeys(["login", "register", "refresh"], (7, 70)),
            "login-failures-address": (8, 90),
            "login-failures-account": (9, 90),
            "login-failures-account-day": (45, 86_400),
            "login-failures-device": (9, 90),
            "login-failures-devices-day": (45, 86_400),
            "mfa-failures-address": (10, 300),
            "mfa-failures-address-hour": (50, 3600),
            "mfa-failures-account": (5, 300),
            "mfa-failures-account-hour": (20, 3600),
            "mfa-failures-account-day": (50, 86_400),
            "mfa-failures-device": (5, 300),
            "mfa-failures-devices-day": (50, 86_400),
            "password-confirmations": (30, 3600),
            "writes": (10, 100),
            "all": (11, 110),
            "mail-mailbox": (3, 3600),
            "mail-address": (10, 3600),
            "denied-event": (10, 60),
            "login-throttled-event": (1, 60),
            "refused-token-event": (10, 60),
        }
        assert expected.items() <= rates.items()
        assert all(policy.name == name for name, policy in table.items())

    def test_omit_a_limit_without_a_rate(self) -> None:
        table = policies(make_settings(rate_limit_writes="", rate_limit_all="off"))

        assert not {"writes", "all"} & table.keys()

    @pytest.mark.parametrize(
        ("given", "counted"), [("", (1000, 50)), ("off", None), ("5/60", (5, 60))]
    )
    def test_count_all_requests_unless_told_otherwise(
        self,
        given: str,
        counted: tuple[int, int] | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Mutants: remove the default; let an empty variable switch the limit off."""
        monkeypatch.setenv("RATE_LIMIT_ALL", given)

        assert NotesSettings(_env_file=None).rate_limit_all == counted


class TestRate:
    @pytest.mark.parametrize(
        ("given", "counted"),
        [
            ("1000/60", (1000, 60)),
            ("6000/60", (1000, 10)),
            ("2000/60", (1000, 30)),
            ("3500/7", (1000, 2)),
            ("1002/3", (668, 2)),
            ((6000, 60), (1000, 10)),
        ],
    )
    def test_above_a_thousand_becomes_a_shorter_window(
        self, given: object, counted: tuple[int, int]
    ) -> None:
        settings = make_settings(rate_limit_all=given)

        assert settings.rate_limit_all == counted

    @pytest.mark.parametrize(
        "given", ["1001/60", "1500/7", "1001/1", "1000000/60", (1001, 1)]
    )
    def test_without_an_equal_shorter_window_is_refused(self, given: object) -> None:
        """Mutants: round the rate; accept it and fail when the table is built."""
        with pytest.raises(ValidationError, match="as in 6000/60"):
            make_settings(rate_limit_all=given)

    @pytest.mark.parametrize("given", ["600", "600/", "0/60", "-1/60", "1/1/1", "a/b"])
    def test_of_another_format_is_refused(self, given: str) -> None:
        with pytest.raises(ValidationError, match="must be requests/seconds"):
            make_settings(rate_limit_writes=given)
