"""Password checks while the client disconnects, and in several processes."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from app.core.errors import Overloaded
from app.core.passwords.hashing import PasswordHasher, Verification
from app.core.rate_limit.client import create_redis_client
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policies import policies
from app.core.rate_limit.policy import Decision, Hit, RateLimiter
from app.core.rate_limit.redis import RedisRateLimiter
from app.core.security import SecretRing
from app.services.accounts.guesses import TooManyFailures
from app.services.accounts.login_throttle import LoginThrottle
from testbed.accounts import PASSWORD, password_hash
from tests.conftest import make_settings
from tests.support.watch import watch_hashes


class SlowLimiter(MemoryRateLimiter):
    """A Redis whose replies wait until the test opens the gate."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.slow = slow
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def hit(self, *hits: Hit) -> Decision:
        decision = await super().hit(*hits)
        await self._reply("hit")
        return decision

    async def refund(self, decision: Decision) -> None:
        await self._reply("refund")
        await super().refund(decision)

    async def _reply(self, call: str) -> None:
        if call == self.slow:
            self.asked.set()
            await self.gate.wait()


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(slots=1, queue=1)
    yield hasher
    hasher.close()


def make_throttle(hasher: PasswordHasher, limiter: RateLimiter) -> LoginThrottle:
    limits = policies(make_settings(login_failures_per_account=1))
    return LoginThrottle(hasher, limiter, limits, SecretRing(b"secret"))


async def check(throttle: LoginThrottle, password: str = PASSWORD) -> Verification:
    return await throttle.check_login(
        password,
        password_hash(),
        email="ada@example.org",
        address="192.0.2.1",
        device_id=None,
    )


class TestCutRequest:
    @pytest.mark.parametrize("slow", ["hit", "refund"])
    async def test_gives_back_what_it_took_while_redis_is_slow(
        self, hasher: PasswordHasher, slow: str
    ) -> None:
        """Mutant: let the cancelled request abandon its call to Redis."""
        limiter = SlowLimiter(slow)
        throttle = make_throttle(hasher, limiter)
        left = asyncio.create_task(check(throttle))
        await limiter.asked.wait()
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left

        limiter.gate.set()
        while throttle.guesses._unfinished:
            await asyncio.wait(throttle.guesses._unfinished)

        assert (await check(throttle)).ok

    async def test_gives_back_what_it_took_while_its_password_was_hashed(
        self, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: count a cut request as a wrong password."""
        watch = watch_hashes(monkeypatch)
        watch.gate.clear()
        throttle = make_throttle(hasher, MemoryRateLimiter())
        left = asyncio.create_task(check(throttle))
        while not watch.started:
            await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        watch.gate.set()

        assert (await check(throttle)).ok


async def test_a_wrong_password_is_counted(hasher: PasswordHasher) -> None:
    throttle = make_throttle(hasher, MemoryRateLimiter())

    assert not (await check(throttle, "wrong")).ok

    with pytest.raises(TooManyFailures):
        await check(throttle)


class TestOtherProcess:
    async def test_may_still_give_its_attempts_back(
        self, hasher: PasswordHasher, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: let pending right passwords of one instance lock out the others."""
        watch = watch_hashes(monkeypatch)
        watch.gate.clear()
        async with AsyncExitStack() as stack:
            one, other = [
                make_throttle(
                    hasher,
                    RedisRateLimiter(
                        await stack.enter_async_context(create_redis_client(redis_url))
                    ),
                )
                for _ in range(2)
            ]
            pending = asyncio.create_task(check(one))
            while not watch.started:
                await asyncio.sleep(0)

            with pytest.raises(Overloaded) as refused:
                await check(other)
            watch.gate.set()
            await pending

            assert refused.value.headers["Retry-After"] == "1"
            assert (await check(other)).ok
            assert not (await check(one, "wrong")).ok
            with pytest.raises(TooManyFailures):
                await check(other)
