"""Looks new passwords up in known data breaches if BREACHED_PASSWORDS_URL is set."""

from app.services.accounts.passwords import LookUp
from app.state import AppState


def look_up(state: AppState) -> LookUp | None:
    if not (url := state.settings.breached_passwords_url):
        return None
    # Imported here, because a service without the check must not load httpx2.
    from app.core.passwords.breaches import Breaches

    return Breaches(url).check
