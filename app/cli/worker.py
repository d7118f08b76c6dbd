import asyncio
import signal

import typer

from app.cli.console import fail, run
from app.core.config import Settings, get_settings

group = typer.Typer()


@group.command()
def worker() -> None:
    """Deliver mail until Ctrl-C or SIGTERM. Several workers can run at once."""
    run(deliver(get_settings()))


async def deliver(settings: Settings) -> None:
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
    async with Database(settings) as database:
        mail_worker = MailWorker(database, settings, transport, asyncio.Event())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, mail_worker.stop)
        sampler = Sampler(database, settings.environment, {})
        async with sampler.running(), serving_metrics(settings, sampler.scrape):
            await mail_worker.run()
