"""The settings: those that are weak, and the order of the timeouts."""

from collections.abc import AsyncIterator

from gunicorn.config import Config

from app.cli.checks import Finding, judge
from app.core.config import Settings
from app.core.settings.warnings import find_warnings

PAGE = "docs/settings.md"
SIZES = "docs/operations.md#how-do-i-size-pools-workers-and-timeouts"
PROXY_IDLE_SECONDS = 60  # in most load balancers, and in the samples of deploy/


async def check(settings: Settings) -> AsyncIterator[Finding]:
    yield Finding("settings.valid", "ok", f"valid for {settings.environment}")
    for warning in find_warnings(settings):
        name = warning.split()[0]
        fix = f"Change {name}, or accept the risk."
        yield Finding(f"settings.{name}", "warning", warning, fix, PAGE)
    timeouts = {
        "lock": settings.db_lock_timeout_seconds,
        "statement": settings.db_statement_timeout_seconds,
        "deadline": settings.request_deadline_seconds,
        "shutdown": settings.graceful_timeout_seconds,
    }
    # The service does not start with another order.
    order = " < ".join(f"{name} {value:g} s" for name, value in timeouts.items())
    yield Finding("settings.timeouts", "ok", order)
    kept = keep_alive_seconds()
    yield judge(
        "settings.keep_alive",
        ok=kept > PROXY_IDLE_SECONDS,
        value=f"{kept} s; most load balancers keep idle connections "
        f"{PROXY_IDLE_SECONDS} s",
        fix="Set gunicorn's --keep-alive above the idle timeout of your load balancer. "
        "Otherwise it sends requests on connections that are being closed.",
        link=SIZES,
    )


def keep_alive_seconds() -> int:
    """Read the setting as gunicorn does, except for the flags of its command line."""
    from app.server.gunicorn_conf import keepalive  # needs settings that are valid

    gunicorn = Config()
    flags = gunicorn.parser().parse_args(gunicorn.get_cmd_args_from_env())
    return keepalive if flags.keepalive is None else int(flags.keepalive)
