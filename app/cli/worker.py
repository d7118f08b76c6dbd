import asyncio
import signal
import time
from typing import Annotated

import typer

from app.cli.console import INTERRUPTED, fail, run
from app.core.config import Settings, get_settings
from app.core.settings.mail import MailSettings

group = typer.Typer()


@group.command()
def worker(
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Deliver nothing. Check with WORKER_HEARTBEAT_FILE whether a running "
            "worker still works, and exit with 1 if it does not.",
        ),
    ] = False,
) -> None:
    """Deliver mail until Ctrl-C or SIGTERM. Several workers can run in parallel."""
    settings = get_settings()
    if check:
        check_heartbeat(settings)
    else:
        run(deliver(settings))


def check_heartbeat(settings: MailSettings) -> None:
    file = settings.worker_heartbeat_file
    if file is None:
        fail("WORKER_HEARTBEAT_FILE is not set, so the worker writes no heartbeat.")
    try:
        age = time.time() - file.stat().st_mtime
    except OSError as error:
        fail(f"The worker has written no heartbeat: {error.strerror}.")
    # Twice the time, because a busy machine may stop the worker for a moment.
    if age > 2 * settings.heartbeat_seconds:
        fail(f"The last heartbeat of the worker is {age:.0f} seconds old.")


async def deliver(settings: Settings) -> None:
    from app.api.observers import make_observers
    from app.core.logging import configure_logging
    from app.core.metrics_port import serving_metrics
    from app.db.session import Database
    from app.services.mail.transports import find_transport
    from app.services.mail.worker import MailWorker
    from app.services.sampling import Sampler

    transport = find_transport(settings)
    if transport is None:
        fail("SMTP_URL is not set. Mail stays in the outbox until you set it.")
    configure_logging(
        level=settings.log_level, json=settings.logs_json, about=settings.about
    )
    observers = make_observers(settings)
    async with observers.sending(), Database(settings) as database:
        mail_worker = MailWorker(
            database,
            settings,
            transport,
            asyncio.Event(),
            settings.worker_heartbeat_file,
            see=observers.see_delivery,
        )
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            mail_worker.stop()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, mail_worker.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        sampler = Sampler(database, settings.environment, {})
        async with sampler.running(), serving_metrics(settings, sampler.scrape):
            await mail_worker.run()
    if interrupted:
        raise typer.Exit(INTERRUPTED)
