"""Settings of mail and registration that depend on the environment."""

import pytest
from pydantic import ValidationError

from tests.conftest import make_settings

PRODUCTION = {
    "environment": "production",
    "secret_key": "k7Vq0aZ4m9Xw" * 4,
    "database_url": "postgresql://127.0.0.1/app",
    "allowed_hosts": ("api.example.com",),
}


class TestRegistration:
    def test_is_open_only_in_development_unless_said(self) -> None:
        assert make_settings().registration == "open"
        assert make_settings(**PRODUCTION).registration == "verified"
        staging = make_settings(**PRODUCTION | {"environment": "staging"})
        assert staging.registration == "verified"
        assert make_settings(**PRODUCTION, registration="open").registration == "open"


class TestSmtpUrl:
    @pytest.mark.parametrize(
        "url", ["http://mail.example.com", "smtp://", "mail.example.com:25"]
    )
    def test_names_a_server(self, url: str) -> None:
        with pytest.raises(ValidationError, match="smtp_url"):
            make_settings(smtp_url=url)

    def test_may_not_send_a_password_in_plain_text(self) -> None:
        with pytest.raises(ValidationError, match="plain text") as refused:
            make_settings(**PRODUCTION, smtp_url="smtp://u:hunter2@mail.example.com")

        assert "hunter2" not in str(refused.value)
        for scheme in ("smtps", "smtp+starttls"):
            make_settings(**PRODUCTION, smtp_url=f"{scheme}://u:p@mail.example.com")


class TestMailFrom:
    @pytest.mark.parametrize("sender", ["", "nobody", "a@b.co\nBcc: c@d.co"])
    def test_is_an_address(self, sender: str) -> None:
        with pytest.raises(ValidationError, match="mail_from"):
            make_settings(mail_from=sender)
