"""Settings that look safe but are not, and settings that are safe."""

import secrets

import pytest
from pydantic import ValidationError

from app.core.config import Settings
from tests.conftest import make_settings

STRONG = "Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeRa"
DEPLOYED = {
    "secret_key": STRONG,
    "database_url": "postgresql://app:s3cret@127.0.0.1/app",
    "allowed_hosts": ("api.example.com",),
    "public_base_url": "https://api.example.com",
    "mail_from": "no-reply@example.com",
}
TUTORIAL = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"


def refusals(**values: object) -> dict[str, str]:
    """Return the problem of each refused setting. No problem shows a value."""
    with pytest.raises(ValidationError) as refused:
        make_settings(**values)
    problems = {str(e["loc"][0]): e["msg"] for e in refused.value.errors()}
    shown = [v for v in values.values() if str(v) in "".join(problems.values())]
    assert set(shown) <= {"open", "production"}
    return problems


@pytest.mark.parametrize("environment", ["production", "staging"])
class TestOutsideDevelopment:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("secret_key", TUTORIAL),
            ("secret_key", "a" * 39 + "b"),
            ("secret_key", "0123456789" * 4),
            ("secret_key", "abcdefghijklmnopqrstuvwxyz012345"),
            ("secret_key", "supersecretkeysupersecretkeysuper"),
            ("secret_key", "my-super-secret-key-for-my-app-2024"),
            ("secret_key", "TODO-set-this-to-a-good-value-9f8e7d6c"),
            ("secret_key", "django-insecure-8w2c^k1zv0m5x9r3t7y4u6i"),
            ("secret_key_previous", TUTORIAL),
            ("database_url", "postgresql://postgres:postgres@127.0.0.1/app"),
            ("database_url", "postgresql://app:App@127.0.0.1/app"),
            ("database_url", "postgresql://app:s3cret@db.example.com/app"),
            ("database_url", "postgresql://h.example.com/app?sslmode=disable"),
            ("database_url", "postgresql://h.example.com/app?sslmode=prefer"),
            ("database_url", "postgresql:///app?host=10.0.0.5:5432"),
            ("database_replica_url", "postgresql://app:s3cret@db.example.com/app"),
            ("redis_url", "redis://cache.example.com"),
            ("redis_url", "redis://:redis@127.0.0.1"),
            ("redis_url", "redis+sentinel://127.0.0.1,s2.example.com/main"),
            ("redis_url", "rediss+sentinel://:redis@s1.example.com/main"),
            ("redis_url", "rediss+sentinel://s1.example.com"),
            ("redis_url", "unix+sentinel://s1.example.com/main"),
            ("smtp_url", "smtps://guest:guest@mail.example.com"),
            ("smtp_url", "smtp://ada:lovelace@mail.example.com"),
            ("smtp_url", "smtp://mail.example.com"),
        ],
    )
    def test_an_unsafe_value_is_refused(
        self, environment: str, name: str, value: str
    ) -> None:
        values = {**DEPLOYED, "environment": environment, name: value}

        assert list(refusals(**values)) == [name]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("database_url", "postgresql://h.example.com/app?sslmode=require"),
            ("database_url", "postgresql:///app?host=/run/postgresql"),
            ("database_url", "postgresql://[::1]:5432/app"),
            ("redis_url", "rediss://:s3cret@cache.example.com"),
            ("redis_url", "unix:///run/valkey.sock"),
            ("redis_url", "rediss+sentinel://:s3cret@s1.example.com:26379,s2/main/0"),
            ("redis_url", "redis+sentinel://localhost,127.0.0.1/main"),
            ("redis_url", "redis://localhost"),
            ("smtp_url", "smtp://localhost"),
            ("smtp_url", "smtp+starttls://mail.example.com"),
        ],
    )
    def test_a_safe_value_is_accepted(
        self, environment: str, name: str, value: str
    ) -> None:
        make_settings(**DEPLOYED | {"environment": environment, name: value})

    def test_plaintext_is_allowed_to_plaintext_hosts(self, environment: str) -> None:
        values = DEPLOYED | {
            "environment": environment,
            "database_url": "postgresql://app:s3cret@db/app",
            "redis_url": "redis://cache",
            "smtp_url": "smtp://relay",
        }
        make_settings(**values, plaintext_hosts=("db", "cache", "relay"))

        refused = refusals(**values, plaintext_hosts=("cache", "relay"))

        assert list(refused) == ["database_url"]
        assert "PLAINTEXT_HOSTS" in refused["database_url"]

    def test_every_generated_key_is_strong(self, environment: str) -> None:
        """Mutant: use a threshold that refuses some random keys."""
        values = DEPLOYED | {"environment": environment}
        for _ in range(200):
            for key in (secrets.token_urlsafe(48), secrets.token_hex(16)):
                make_settings(**values | {"secret_key": key})


class TestProduction:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("registration", "open"),
            ("rate_limit_enabled", False),
            ("allowed_hosts", ("*.com",)),
            ("allowed_hosts", ("api.example.com", "*")),
        ],
    )
    def test_refuses_what_staging_allows(self, name: str, value: object) -> None:
        values = DEPLOYED | {name: value}
        assert list(refusals(**values, environment="production")) == [name]

        make_settings(**values, environment="staging")

    def test_allows_the_subdomains_of_a_domain(self) -> None:
        values = DEPLOYED | {"allowed_hosts": ("*.example.com",)}

        make_settings(**values, environment="production")


class TestUrl:
    """Every environment refuses such a URL, and the error hides the password."""

    @pytest.mark.parametrize(
        "password", ["s3cr/et", "12/3", "s3cr?et", "s3cr#et", "s3cr[et", "s\u2100t"]
    )
    @pytest.mark.parametrize(
        ("name", "url"),
        [
            ("database_url", "postgresql://ada:{}@db.example.com/app"),
            ("database_replica_url", "postgresql://ada:{}@db.example.com/app"),
            ("redis_url", "redis://:{}@cache.example.com"),
            ("smtp_url", "smtps://ada:{}@mail.example.com"),
            ("public_base_url", "https://ada:{}@api.example.com"),
        ],
    )
    def test_with_a_character_to_escape_is_refused(
        self, name: str, url: str, password: str
    ) -> None:
        problems = refusals(**{name: url.format(password)})

        assert list(problems) == [name]
        assert password not in str(problems)

    @pytest.mark.parametrize(
        "query",
        [
            "sslmode=on",
            "ssl=true",
            "channel_binding=require",
            "sslmode=verify-full",
            "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
        ],
    )
    def test_with_a_parameter_that_asyncpg_refuses_is_refused(self, query: str) -> None:
        url = f"postgresql://db.example.com/app?{query}"

        assert list(refusals(database_url=url)) == ["database_url"]

    @pytest.mark.parametrize("query", ["foo=1", "socket_timeout=soon"])
    def test_with_a_parameter_that_redis_refuses_is_refused(self, query: str) -> None:
        assert list(refusals(redis_url=f"redis://h?{query}")) == ["redis_url"]


class TestAllowedHosts:
    @pytest.mark.parametrize(
        "host",
        [
            "https://api.example.com",
            "api.example.com:8000",
            "[::1]:8000",
            "ada@api.example.com",
            "api.example.com/",
            "b\u00fccher.example",
        ],
    )
    def test_are_names_that_a_request_can_have(self, host: str) -> None:
        """Mutant: accept a URL, with which every request would get a 421."""
        assert list(refusals(allowed_hosts=(host,))) == ["allowed_hosts"]

    def test_can_be_addresses_and_subdomains(self) -> None:
        hosts = ("*", "*.example.com", "10.0.0.7", "[::1]", "_a-b.example.com")

        assert make_settings(allowed_hosts=hosts).allowed_hosts == hosts


class TestTrustedProxies:
    @pytest.mark.parametrize(
        "networks",
        ["0.0.0.0/1,128.0.0.0/1", "::/1", "2000::/4,3000::/4", "10.0.0.0/8,64.0.0.0/2"],
    )
    def test_must_not_cover_all_addresses(self, networks: str) -> None:
        assert list(refusals(trusted_proxies=networks)) == ["trusted_proxies"]

    @pytest.mark.parametrize("networks", ["::ffff:10.0.0.7", "::ffff:0.0.0.0/96"])
    def test_are_no_ipv4_addresses_in_ipv6(self, networks: str) -> None:
        """Such a network matches no peer: the service compares IPv4 addresses."""
        assert list(refusals(trusted_proxies=networks)) == ["trusted_proxies"]

    def test_are_networks_of_any_usual_size(self) -> None:
        networks = "10.0.0.0/8,172.16.0.0/12,fc00::/7,192.0.2.7"

        assert len(make_settings(trusted_proxies=networks).trusted_proxies) == 4


def test_no_secret_is_shown() -> None:
    settings: Settings = make_settings(
        redis_url="redis://:hunter2@127.0.0.1", smtp_url="smtps://u:hunter3@h"
    )

    assert "hunter" not in repr(settings)
