"""Reports of unexpected errors, sent to Sentry. Imported only if SENTRY_DSN is set.

A report says where the code failed, and names the method, route, status and id of the
request. It contains no message, no local variable and nothing else of the request,
because each of these can contain a secret.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sentry_sdk import Client
from sentry_sdk.utils import event_from_exception

from app.core.config import Settings
from app.core.log_fields import ALLOWED

CLOSE_SECONDS = 1.0  # how long the process waits for Sentry at its end
KEPT = frozenset("event_id timestamp level platform release environment tags".split())
KEPT_OF_FRAMES = frozenset("filename function module lineno in_app".split())


class ErrorReports:
    """Sends reports from a thread with a bounded queue."""

    def __init__(self, settings: Settings) -> None:
        assert settings.sentry_dsn is not None  # noqa: S101 - for mypy
        about = settings.about
        self._client = Client(
            settings.sentry_dsn.get_secret_value(),
            release=f"{about['service_name']}@{about['service_version']}",
            environment=settings.environment,
            before_send=allowed,  # type: ignore[arg-type]
            # The defaults would add headers, bodies, variables, log lines and
            # statements.
            default_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            auto_session_tracking=False,
            send_client_reports=False,
        )

    def report(self, error: BaseException, **fields: object) -> None:
        """Report an error. A field becomes a tag if a log line can have this field."""
        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = {
            name: str(value) for name, value in fields.items() if name in ALLOWED
        }
        self._client.capture_event(event, hint)

    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        """Send reports until the block ends. Then wait a moment for the last ones."""
        try:
            yield
        finally:
            await asyncio.to_thread(self._client.close, CLOSE_SECONDS)


def allowed(event: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Keep only the fields that cannot contain a secret, whatever the library adds."""
    errors = [
        {
            "type": error["type"],
            "module": error["module"],
            "stacktrace": {
                "frames": [
                    {name: frame[name] for name in KEPT_OF_FRAMES & frame.keys()}
                    for frame in error.get("stacktrace", {}).get("frames", ())
                ]
            },
        }
        for error in event["exception"]["values"]
    ]
    kept = {name: event[name] for name in KEPT & event.keys()}
    return {**kept, "exception": {"values": errors}}
