"""Passwords of data breaches."""

from pydantic import ValidationInfo, field_validator

from app.core.settings.base import AppSettings, refuse, refuse_plaintext, split_url


class BreachedPasswordSettings(AppSettings):
    """Passwords of data breaches."""

    breached_passwords_url: str = ""
    """Server that knows the passwords of data breaches, such as
    https://api.pwnedpasswords.com/range. The service computes the SHA-1 hash of a new
    password and sends the first 5 of its 40 digits to this server. The service refuses
    a password that the server knows. Empty: no check. Outside development, `http://`
    needs a local host or an entry in PLAINTEXT_HOSTS.
    """

    @field_validator("breached_passwords_url")
    @classmethod
    def _range_service(cls, url: str, info: ValidationInfo) -> str:
        parts = split_url(url)
        known = parts.scheme in {"http", "https"} and parts.hostname
        refuse(url and not known, "must start with http:// or https:// and a host")
        refuse_plaintext(parts.hostname or "", parts.scheme != "http", info)
        return url
