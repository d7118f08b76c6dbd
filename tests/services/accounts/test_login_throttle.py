"""Checking a password while its client disconnects."""

import asyncio
from collections.abc import Iterator

import pytest

from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policies import policies
from app.core.rate_limit.policy import Decision
from app.core.security import SecretRing
from app.services.accounts.login_throttle import (
    LoginThrottle,
    TooManyFailures,
)
from testbed.accounts import PASSWORD, password_hash
from tests.conftest import make_settings


class SlowRefunds(MemoryRateLimiter):
    """A Redis that never answers a refund."""

    def __init__(self) -> None:
        super().__init__()
        self.refunding = asyncio.Event()

    async def refund(self, decision: Decision) -> None:
        self.refunding.set()
        await asyncio.Event().wait()


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(slots=1, queue=1)
    yield hasher
    hasher.close()


async def check(throttle: LoginThrottle) -> Verification:
    return await throttle.check_login(
        PASSWORD,
        password_hash(),
        email="ada@example.org",
        address="192.0.2.1",
        device_id=None,
    )


class TestCheck:
    async def test_ends_when_its_client_disconnects_during_the_refund(
        self, hasher: PasswordHasher
    ) -> None:
        """Mutant: end the attempt after the refund; the next one waits for ever."""
        limiter = SlowRefunds()
        limits = policies(make_settings(login_failures_per_account=1))
        throttle = LoginThrottle(hasher, limiter, limits, SecretRing(b"secret"))
        left = asyncio.create_task(check(throttle))
        await limiter.refunding.wait()
        left.cancel()

        following = asyncio.create_task(check(throttle))
        for _ in range(10):
            await asyncio.sleep(0)

        assert left.cancelled()
        assert following.done()
        assert isinstance(following.exception(), TooManyFailures)
