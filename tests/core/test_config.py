"""Reading the settings, and the values that production refuses."""

from pathlib import Path

import pytest

from app.core.config import ConfigurationError, Settings, get_settings

GOOD = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeRa",
    "DATABASE_URL": "postgresql://app:s3cret@db/app?sslmode=require",
    "ALLOWED_HOSTS": "api.example.com",
}

# Development on PostgreSQL needs these two settings.
OWN = {"ENVIRONMENT": "development", "SECRET_KEY": GOOD["SECRET_KEY"]}


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return get_settings()


def refused(monkeypatch: pytest.MonkeyPatch, **environment: str) -> set[str]:
    with pytest.raises(ConfigurationError) as refusal:
        load(monkeypatch, **environment)
    for value in environment.values():
        if len(value) > 5 and value not in {"production", "development"}:
            assert value not in str(refusal.value)
    return {problem.split()[0] for problem in refusal.value.problems}


class TestDevelopmentSettings:
    def test_have_a_default_for_every_value(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = load(monkeypatch)

        assert settings.database_url == "sqlite+aiosqlite:///var/app.db"
        assert (settings.redis_url, settings.rate_limit_requests) == ("", 100)

    def test_are_read_from_dotenv_with_both_forms_of_a_list(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path(".env").write_text(
            "cors_allowed_origins=https://a.example, https://b.example\n"
            'ALLOWED_HOSTS=["a.example","b.example"]\nREDIS_URL=\nUNKNOWN=1\n'
        )
        settings = load(monkeypatch)

        assert settings.cors_allowed_origins == (
            "https://a.example",
            "https://b.example",
        )
        assert settings.allowed_hosts == ("a.example", "b.example")
        assert settings.redis_url == ""

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("postgres://h/d", "postgresql+asyncpg://h/d"),
            ("postgresql://h/d", "postgresql+asyncpg://h/d"),
            ("sqlite:////tmp/x.db", "sqlite+aiosqlite:////tmp/x.db"),
        ],
    )
    def test_add_the_driver_to_the_database_url(
        self, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
    ) -> None:
        settings = load(monkeypatch, **OWN, DATABASE_URL=url)

        assert settings.database_url == expected

    @pytest.mark.parametrize(
        "url",
        ["mysql://h/d", "nonsense", "sqlite://", "postgresql://u:pass/word@h/d"],
    )
    def test_refuse_an_unsupported_database_url(
        self, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        assert refused(monkeypatch, **OWN, DATABASE_URL=url) == {"DATABASE_URL"}


class TestProductionSettings:
    def test_accept_safe_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load(monkeypatch, **GOOD).is_production

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_KEY", ""),
            ("SECRET_KEY", "Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeR"),
            ("SECRET_KEY", "please-change-me-please-change-me"),
            ("SECRET_KEY", "your-secret-key-here-your-secret-key"),
            ("SECRET_KEY", "a" * 64),
            ("SECRET_KEY", "abcdefgh" * 8),
            ("DEBUG", "true"),
            ("DATABASE_URL", ""),
            ("CORS_ALLOWED_ORIGINS", "*"),
            ("CORS_ALLOWED_ORIGINS", "null"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example,http://b.example"),
            ("ALLOWED_HOSTS", ""),
            ("ALLOWED_HOSTS", "*"),
            ("ALLOWED_HOSTS", "a.example,*"),
            ("TRUSTED_PROXIES", "0.0.0.0/0"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
            ("RATE_LIMIT_ENABLED", "false"),
            ("DB_STATEMENT_TIMEOUT_SECONDS", "2"),
            ("REQUEST_DEADLINE_SECONDS", "4"),
            ("GRACEFUL_TIMEOUT_SECONDS", "9"),
            ("GRACEFUL_TIMEOUT_SECONDS", "13"),
            ("MAX_CONNECTIONS", "0"),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "61"),
            ("PASSWORD_MIN_LENGTH", "7"),
        ],
    )
    def test_refuse_an_unsafe_value(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        assert refused(monkeypatch, **{**GOOD, name: value}) == {name}

    def test_report_every_problem_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert refused(
            monkeypatch,
            ENVIRONMENT="production",
            DEBUG="1",
            SECRET_KEY="short-sighted",
            DB_POOL_SIZE="eleven",
            CORS_ALLOWED_ORIGINS="*",
            TRUSTED_PROXIES="0.0.0.0/0",
            RATE_LIMIT_ENABLED="no",
        ) == {
            *("DEBUG", "SECRET_KEY", "DATABASE_URL", "DB_POOL_SIZE"),
            *("CORS_ALLOWED_ORIGINS", "ALLOWED_HOSTS", "TRUSTED_PROXIES"),
            "RATE_LIMIT_ENABLED",
        }

    @pytest.mark.parametrize("networks", ["banana", "10.0.0.0/8,banana,10.0.0.1/8"])
    def test_report_an_invalid_network_once(
        self, monkeypatch: pytest.MonkeyPatch, networks: str
    ) -> None:
        """Mutant: report a problem for each IP version that pydantic tried."""
        with pytest.raises(ConfigurationError) as refusal:
            load(monkeypatch, TRUSTED_PROXIES=networks)

        assert refusal.value.problems == (
            "TRUSTED_PROXIES must list addresses such as 10.0.0.7, or networks",
        )

    def test_show_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = repr(load(monkeypatch, REDIS_URL="rediss://:hunter2@h", **GOOD))
        for secret in (GOOD["SECRET_KEY"], "s3cret", "hunter2"):
            assert secret not in text
