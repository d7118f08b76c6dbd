import pytest

from app.core.config import Settings
from app.db.session import Database
from tests.notes.model import drop_table


@pytest.fixture
async def without_notes(settings: Settings) -> None:
    """Leave what migrations make: notes refer to users, and no migration knows them."""
    async with Database(settings) as database:
        await drop_table(database.writer)
