"""Settings of mail and registration that depend on the environment."""

import asyncio
import json

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from app.core.tokens.signing_keys import generate
from app.db.session import Database
from app.services.mail.worker import delivering
from tests.conftest import make_settings

PRODUCTION = {
    "environment": "production",
    "secret_key": "k7Vq0aZ4m9XwT2bN8rLcYe5HdJ1uGfS6",
    "database_url": "postgresql://127.0.0.1/app",
    "allowed_hosts": ("api.example.com",),
    "public_base_url": "https://api.example.com",
    "mail_from": "no-reply@example.com",
}
SMTP = "smtps://u:p2w9@mail.example.com"


class TestRegistration:
    def test_is_open_by_default_only_in_development(self) -> None:
        assert make_settings().registration == "open"
        assert make_settings(**PRODUCTION).registration == "verified"
        staging = make_settings(**PRODUCTION | {"environment": "staging"})
        assert staging.registration == "verified"
        with pytest.raises(ValidationError, match="must not be open in production"):
            make_settings(**PRODUCTION, registration="open")


class TestSmtpUrl:
    @pytest.mark.parametrize(
        "url", ["http://mail.example.com", "smtp://", "mail.example.com:25"]
    )
    def test_must_name_a_server(self, url: str) -> None:
        with pytest.raises(ValidationError, match="smtp_url"):
            make_settings(smtp_url=url)

    def test_must_not_send_a_password_in_plain_text(self) -> None:
        with pytest.raises(ValidationError, match="plain text") as refused:
            make_settings(**PRODUCTION, smtp_url="smtp://u:hunter2@mail.example.com")

        assert "hunter2" not in str(refused.value)
        for scheme in ("smtps", "smtp+starttls"):
            make_settings(**PRODUCTION, smtp_url=f"{scheme}://u:p@mail.example.com")


class TestMailFrom:
    @pytest.mark.parametrize("sender", ["", "nobody", "a@b.co\nBcc: c@d.co"])
    def test_must_be_an_address(self, sender: str) -> None:
        with pytest.raises(ValidationError, match="mail_from"):
            make_settings(mail_from=sender)


class TestMailInProduction:
    """If mail is sent, its links and its sender must work for the recipient."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://api.example.com",
            "https://127.0.0.1:8000",
            "https://127.1.2.3",
            "https://[::1]",
            "https://0.0.0.0",
            "https://localhost",
            "https://LOCALHOST.:8000/path",
            "https://api.localhost",
        ],
    )
    def test_links_must_use_https_and_a_public_host(self, url: str) -> None:
        """Mutant: refuse only the default URL."""
        values = PRODUCTION | {"public_base_url": url}
        make_settings(**values)
        make_settings(**values | {"environment": "staging"}, smtp_url=SMTP)
        with pytest.raises(ValidationError, match="mails link to it") as refused:
            make_settings(**values, smtp_url=SMTP)
        assert refused.value.error_count() == 1
        assert url not in str(refused.value)

    def test_signing_keys_also_need_a_public_url_with_https(self) -> None:
        ring = json.dumps([generate()])
        make_settings(**PRODUCTION, signing_keys=ring)
        values = PRODUCTION | {"public_base_url": "http://127.0.0.1:8000"}
        make_settings(**values | {"environment": "staging"}, signing_keys=ring)
        with pytest.raises(ValidationError, match="the issuer of tokens"):
            make_settings(**values, signing_keys=ring)

    @pytest.mark.parametrize(
        "sender", ["no-reply@localhost", "Shop <no-reply@Localhost>"]
    )
    def test_must_come_from_a_real_domain(self, sender: str) -> None:
        values = PRODUCTION | {"mail_from": sender}
        make_settings(**values)
        with pytest.raises(ValidationError, match="people can answer"):
            make_settings(**values, smtp_url=SMTP)

    def test_reports_every_problem_at_once(self) -> None:
        """Mutant: let the validator of SMTP_URL end before MAIL_FROM is checked."""
        defaults = PRODUCTION | {"public_base_url": "http://127.0.0.1:8000"}
        del defaults["mail_from"]
        for url in (SMTP, "nonsense://"):
            with pytest.raises(ValidationError) as refused:
                make_settings(**defaults, smtp_url=url)
            names = {str(error["loc"][0]) for error in refused.value.errors()}
            assert {"public_base_url", "mail_from"} <= names

    async def test_that_cannot_be_sent_is_reported_at_startup(self) -> None:
        """Mutant: start without a warning, while no link is ever sent."""
        for smtp_url, expected in (("", ["mail.waits"]), (SMTP, [])):
            settings = make_settings(**PRODUCTION, smtp_url=smtp_url)
            database = Database(settings)
            with capture_logs() as logs:
                async with delivering(database, settings, asyncio.Event()):
                    pass
            await database.close()
            assert [line["event"] for line in logs] == expected
