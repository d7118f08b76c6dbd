"""The largest number of connections to PostgreSQL that a deployment opens."""

from app.core.config import Settings

MIGRATION = 2
RESERVED = 3 + 5  # superuser_reserved_connections, and a few for operators


def connections(settings: Settings, instances: int, mail_workers: int = 1) -> int:
    """Count the connections as `docs/operations.md` does."""
    each = settings.db_pool_size + settings.db_max_overflow + 1
    web = instances * settings.web_concurrency * each
    return web + mail_workers + MIGRATION + RESERVED
