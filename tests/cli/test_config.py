"""`config check`: which settings it refuses, and which it allows with a warning."""

import json
from pathlib import Path

import pytest

from testbed.service import command

STRONG = "Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeRa"


@pytest.fixture
def deployed(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "ENVIRONMENT": "production",
        "SECRET_KEY": STRONG,
        "DATABASE_URL": "postgresql://app:s3cret@127.0.0.1/app",
        "REDIS_URL": "rediss://cache.example.com",
        "SMTP_URL": "smtps://ada:lovelace@mail.example.com",
        "MAIL_FROM": "no-reply@example.com",
        "PUBLIC_BASE_URL": "https://api.example.com",
        "ALLOWED_HOSTS": "api.example.com",
        "TRUSTED_PROXIES": "10.0.0.7/32",
    }


class TestCheck:
    def test_reports_no_problem_with_good_settings(
        self, deployed: dict[str, str]
    ) -> None:
        ended = command("config", "check", "--strict", environment=deployed)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "The settings are valid for production.\n"

    def test_prints_json_for_a_program(self, deployed: dict[str, str]) -> None:
        good = command("config", "check", "--json", environment=deployed)
        deployed["DEBUG"] = "true"
        bad = command("config", "check", "--json", environment=deployed)

        assert (good.returncode, bad.returncode, bad.stderr) == (0, 1, "")
        assert json.loads(good.stdout) == {"ok": True, "warnings": []}
        problem = "DEBUG must be false in production"
        assert json.loads(bad.stdout) == {"ok": False, "problems": [problem]}

    def test_lists_warnings_and_fails_on_them_only_if_strict(
        self, deployed: dict[str, str], tmp_path: Path
    ) -> None:
        for name in ("REDIS_URL", "SMTP_URL", "PUBLIC_BASE_URL", "TRUSTED_PROXIES"):
            del deployed[name]
        (tmp_path / "app.db").touch(mode=0o640)
        deployed["DATABASE_URL"] = f"sqlite:///{tmp_path}/app.db"
        deployed |= {"ENVIRONMENT": "staging", "RATE_LIMIT_ENABLED": "false"}
        deployed |= {"REGISTRATION": "open", "DEBUG": "true", "PLAINTEXT_HOSTS": "db"}
        (tmp_path / ".env").write_text("SECRT_KEY=hunter2\n")

        lenient = command("config", "check", environment=deployed)
        strict = command("config", "check", "--strict", environment=deployed)

        assert (lenient.returncode, strict.returncode) == (0, 1)
        assert lenient.stdout == strict.stdout
        _, *warnings = lenient.stdout.splitlines()
        assert [line.removeprefix("Warning: ").split()[0] for line in warnings] == [
            *("SECRT_KEY", "DATABASE_URL", "DATABASE_URL", "REDIS_URL", "SMTP_URL"),
            *("PUBLIC_BASE_URL", "TRUSTED_PROXIES", "REGISTRATION"),
            *("RATE_LIMIT_ENABLED", "DEBUG", "PLAINTEXT_HOSTS"),
        ]
        assert warnings[0].endswith("Did you mean SECRET_KEY?")
        for secret in ("hunter2", STRONG, "lovelace", "app.db"):
            assert secret not in lenient.stdout

    def test_says_what_development_leaves_open(
        self, environment: dict[str, str]
    ) -> None:
        del environment["ENVIRONMENT"], environment["SECRET_KEY"]

        ended = command("config", "check", environment=environment)

        assert ended.returncode == 0
        assert ended.stdout.endswith(
            "\nWarning: ENVIRONMENT is development: /docs is public, SECRET_KEY is "
            "publicly known, registration is open, mails and their links are written "
            "to files and to the log.\n"
        )
