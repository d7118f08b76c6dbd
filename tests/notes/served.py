"""The service with notes: `gunicorn tests.notes.served:app`."""

from fastapi import APIRouter

from app.api.v1.router import ROUTERS
from app.core.config import Settings
from app.core.settings.base import PositiveSeconds
from app.main import create_application
from tests.notes.endpoints import router


class NotesSettings(Settings):
    """Adds the largest size of an uploaded note, and the longest time of an upload."""

    note_max_body_bytes: int = 2**20
    note_timeout_seconds: PositiveSeconds = 100


ROUTERS_WITH_NOTES: tuple[APIRouter, ...] = (*ROUTERS, router)


def __getattr__(name: str) -> object:
    """Make `app` when a server asks for it, not whenever this module is imported."""
    if name != "app":
        raise AttributeError(name)
    return create_application(NotesSettings(), ROUTERS_WITH_NOTES)
