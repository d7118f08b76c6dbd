"""Where a value comes from: files of secrets, FASTAPI_ENV, `.env`."""

from pathlib import Path

import pytest

from app.core.config import ConfigurationError, get_settings, misspelt_names
from app.core.settings.security import DEVELOPMENT_SECRET_KEY

KEY = "Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeRa"


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()


class TestEnvironment:
    @pytest.mark.parametrize(
        ("variable", "dotenv", "expected"),
        [
            ("", "", "staging"),
            ("production", "", "production"),
            ("", "ENVIRONMENT=production", "production"),
        ],
    )
    def test_comes_from_fastapi_env_if_it_is_not_set(
        self,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        dotenv: str,
        expected: str,
    ) -> None:
        Path(".env").write_text(f"{dotenv}\nALLOWED_HOSTS=a.example.com\n")
        monkeypatch.setenv("FASTAPI_ENV", "staging")
        monkeypatch.setenv("SECRET_KEY", KEY)
        monkeypatch.setenv("ENVIRONMENT", variable)
        monkeypatch.setenv("DATABASE_URL", "sqlite:///app.db")

        assert get_settings().environment == expected

    def test_is_not_guessed_on_postgresql(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1/app")

        with pytest.raises(ConfigurationError) as refusal:
            get_settings()

        assert refusal.value.problems[0] == (
            "ENVIRONMENT must be set, because DATABASE_URL is not SQLite"
        )
        assert "SECRET_KEY is missing; run `keys generate`" in refusal.value.problems

    @pytest.mark.parametrize("key", ["", DEVELOPMENT_SECRET_KEY])
    def test_development_on_postgresql_needs_a_key_of_its_own(
        self, monkeypatch: pytest.MonkeyPatch, key: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1/app")
        monkeypatch.setenv("ENVIRONMENT", "development")
        monkeypatch.setenv("SECRET_KEY", key)

        with pytest.raises(ConfigurationError) as refusal:
            get_settings()

        assert refusal.value.problems == ("SECRET_KEY is missing; run `keys generate`",)


class TestSecretFile:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_KEY", KEY),
            ("SECRET_KEY_PREVIOUS", KEY),
            ("DATABASE_URL", "sqlite+aiosqlite:///other.db"),
            ("DATABASE_REPLICA_URL", "postgresql+asyncpg://127.0.0.1/replica"),
            ("REDIS_URL", "redis://127.0.0.1"),
            ("SMTP_URL", "smtps://ada:lovelace@mail.example.com"),
        ],
    )
    @pytest.mark.parametrize("in_dotenv", [False, True])
    def test_takes_precedence(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, in_dotenv: bool
    ) -> None:
        """Mutant: prefer the empty line of `.env`, which `setup` wrote, to the file."""
        Path("secret").write_text(f"{value}\n")
        Path(".env").write_text(f"{name}=\n")
        if in_dotenv:
            Path(".env").write_text(f"{name}_FILE=secret\n")
        else:
            monkeypatch.setenv(f"{name}_FILE", "secret")

        found = getattr(get_settings(), name.lower())

        assert getattr(found, "get_secret_value", lambda: found)() == value

    def test_that_cannot_be_read_is_named_with_all_other_problems(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: use the default if the file is missing."""
        Path("empty").touch()
        Path("binary").write_bytes(b"\xff\xfe")
        monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere/secret")
        monkeypatch.setenv("DATABASE_URL_FILE", "empty")
        monkeypatch.setenv("REDIS_URL_FILE", "binary")
        monkeypatch.setenv("DB_POOL_SIZE", "0")

        with pytest.raises(ConfigurationError) as refusal:
            get_settings()

        assert set(refusal.value.problems) == {
            "SECRET_KEY cannot be read from its file: No such file or directory",
            "DATABASE_URL has an empty file",
            "REDIS_URL cannot be read from its file: it is not text in UTF-8",
            "DB_POOL_SIZE Input should be greater than or equal to 1",
        }


def test_a_misspelt_name_of_dotenv_is_found() -> None:
    Path(".env").write_text(
        "SECRT_KEY=a\nsmtp_urls=b\nSECRET_KEY_FILE=c\nPORT=1\nFASTAPI_ENV=d\n"
    )

    assert dict(misspelt_names()) == {
        "SECRT_KEY": "SECRET_KEY",
        "SMTP_URLS": "SMTP_URL",
    }
