"""Sends traces and errors to other services, if the settings name such a service."""

from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.db.models.outbox_mail import OutboxMail
from app.services.mail.transports import DeliveryFailed

if TYPE_CHECKING:
    from app.api.traces import Traces
    from app.core.error_reports import ErrorReports


@dataclass(frozen=True)
class Observers:
    """The traces and the error reports of a process. None: switched off."""

    traces: "Traces | None" = None
    errors: "ErrorReports | None" = None

    def see_delivery(
        self, mail: OutboxMail, seconds: float, error: Exception | None
    ) -> None:
        """Trace an attempt to deliver a mail. Report an error that is not an outage."""
        mail_id = str(mail.id)
        if self.traces is not None:
            self.traces.add_delivery(mail_id, mail.template, seconds, error)
        # An OSError, such as a timeout, is an outage, too.
        unexpected = not isinstance(error, DeliveryFailed | OSError)
        if self.errors is not None and error is not None and unexpected:
            self.errors.report(error, mail_id=mail_id, template=mail.template)

    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for each in (self.traces, self.errors):
                if each is not None:
                    await stack.enter_async_context(each.sending())
            yield


def make_observers(settings: Settings, untraced: Collection[str] = ()) -> Observers:
    """`untraced`: the paths whose requests are never traced."""
    traces, errors = None, None
    if settings.telemetry_endpoint:
        from app.api.traces import Traces

        traces = Traces(settings, untraced)
    if settings.sentry_dsn is not None:
        from app.core.error_reports import ErrorReports

        errors = ErrorReports(settings)
    return Observers(traces, errors)
