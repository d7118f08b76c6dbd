"""How long the tests wait. The times are long, because a busy machine answers late.

Production uses much shorter times. A test of a timeout changes its own settings, or
overrides the fixture `patience`.
"""

from types import MappingProxyType

import hypothesis

CONSTANTS = MappingProxyType(
    {
        "app.core.passwords.breaches.TIMEOUT_SECONDS": 60.0,
        "app.core.rate_limit.resilient.REPLY_SECONDS": 60.0,
        "app.db.sqlite.BUSY_TIMEOUT_SECONDS": 60.0,
        "app.services.health.PROBE_SECONDS": 60.0,
    }
)
SETTINGS = MappingProxyType(
    {
        "db_pool_timeout_seconds": 20,
        "db_connect_timeout_seconds": 20,
        "db_lock_timeout_seconds": 20,
        "db_statement_timeout_seconds": 22,
        "request_deadline_seconds": 100,
        "graceful_timeout_seconds": 120,
        # The default limit adapts itself, and would fall while the machine is busy.
        "max_in_flight": 1000,
        # The last two are not times, but all tests need them. A copy can keep defaults
        # of an older release, but the tests expect the newest defaults. All tests send
        # requests from the same IP address, so they would share one rate limit.
        "defaults": "999.0.0",
        "rate_limit_all": "off",
    }
)
REDIS_URL_QUERY = "socket_connect_timeout=60"


def let_hypothesis_take_its_time() -> None:
    """Use the same examples in each run, except with the profile `random`."""
    hypothesis.settings.load_profile("ci")
    hypothesis.settings.register_profile("random", derandomize=False)
