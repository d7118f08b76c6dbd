"""A copy chooses when it gets new defaults.

It gets a warning before a release removes a setting that it uses.
"""

import pytest

from app.core import config
from app.core.config import ConfigurationError, Settings, get_settings
from app.core.settings import changes, warnings
from app.core.settings.changes import RELEASE, Deprecation, NewDefault, is_newer
from app.core.settings.warnings import find_warnings
from app.identity import VERSION

HISTORY = (
    NewDefault("0.2.0", "password_min_length", 8),
    NewDefault("0.10.0", "password_min_length", 10),
    NewDefault("0.10.0", "audit_retention_days", 30),
)


@pytest.fixture(autouse=True)
def history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "NEW_DEFAULTS", HISTORY)
    monkeypatch.setattr(config, "DEFAULTS", "")
    get_settings.cache_clear()


class TestDefaults:
    @pytest.mark.parametrize(
        ("release", "length", "days"),
        [
            ("0.1.0", 8, 30),
            ("0.2.0", 10, 30),
            ("0.9.9", 10, 30),  # mutant: compare the releases as text
            ("0.10.0", None, None),
            ("", None, None),
        ],
    )
    def test_are_those_of_the_release(
        self,
        monkeypatch: pytest.MonkeyPatch,
        release: str,
        length: int | None,
        days: int | None,
    ) -> None:
        monkeypatch.setenv("DEFAULTS", release)
        fields = Settings.model_fields
        settings = Settings()
        newest = fields["password_min_length"].default, fields["audit_retention_days"]
        assert settings.password_min_length == (length or newest[0])
        assert settings.audit_retention_days == (days or newest[1].default)

    def test_are_overridden_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEFAULTS", "0.1.0")
        monkeypatch.setenv("PASSWORD_MIN_LENGTH", "20")
        assert Settings().password_min_length == 20
        kept = "DEFAULTS keeps the defaults of 0.1.0 for AUDIT_RETENTION_DAYS, PASSW"
        assert any(line.startswith(kept) for line in find_warnings(Settings()))

    def test_of_something_that_is_not_a_release_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEFAULTS", "newest")
        with pytest.raises(ConfigurationError, match="DEFAULTS"):
            get_settings()


class TestDeprecations:
    def test_cause_a_warning_if_the_setting_is_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = Deprecation("log_sample", "0.1.0", "0.3.0", "Use another one.")
        monkeypatch.setattr(warnings, "DEPRECATIONS", (entry,))
        expected = (
            "LOG_SAMPLE is deprecated since 0.1.0, and 0.3.0 removes it. "
            "Use another one."
        )
        assert expected not in list(find_warnings(Settings()))
        monkeypatch.setenv("LOG_SAMPLE", "0.5")
        assert expected in list(find_warnings(Settings()))


def test_every_change_names_a_setting_and_a_release() -> None:
    for change in (*HISTORY, *changes.NEW_DEFAULTS):
        assert change.setting in Settings.model_fields
        assert RELEASE.fullmatch(change.release)
    for each in changes.DEPRECATIONS:
        assert each.setting in Settings.model_fields
        assert is_newer(each.until, each.since)
        assert is_newer(each.until, VERSION), f"remove {each.setting} now"
