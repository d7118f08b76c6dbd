"""The settings: those that are weak, and the order of the timeouts."""

from collections.abc import AsyncIterator

from app.cli.checks import Finding
from app.core.config import Settings
from app.core.settings.warnings import find_warnings

PAGE = "docs/settings.md"


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
