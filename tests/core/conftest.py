"""Both rate limiters, each with the clock that it reads."""

from collections.abc import AsyncIterator

import pytest

from app.core.rate_limit.policy import RateLimiter
from testbed.valkey import ValkeyServer
from tests.core.rate_limit.model import KINDS, Kind, Stage, open_stage


@pytest.fixture(params=KINDS)
async def stage(
    request: pytest.FixtureRequest, valkey: ValkeyServer
) -> AsyncIterator[Stage]:
    kind: Kind = request.param
    async with open_stage(kind, valkey.url) as stage:
        yield stage


@pytest.fixture
def limiter(stage: Stage) -> RateLimiter:
    return stage.limiter
