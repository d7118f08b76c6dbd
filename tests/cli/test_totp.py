"""Commands for second factors, while a service uses the same database."""

import asyncio
from pathlib import Path

from fastapi import FastAPI

from app.core.config import Settings
from testbed.service import command, make_environment
from tests.support.people import People
from tests.support.totp import enrolled


async def test_secrets_are_encrypted_again_and_factors_reset(
    app: FastAPI, people: People, settings: Settings, tmp_path: Path
) -> None:
    """Mutant: reset without ending the sessions of the user."""
    phone = await enrolled(app, people)
    environment = make_environment(
        tmp_path,
        DATABASE_URL=settings.database_url,
        SECRET_KEY="another-key-of-the-tests-9876543210",
    )
    previous = {"SECRET_KEY_PREVIOUS": settings.secret_key.get_secret_value()}

    async def run(line: str, **added: str) -> tuple[str, str]:
        ended = await asyncio.to_thread(
            command, *line.split(), environment=environment | added
        )
        return ended.stdout, ended.stderr

    assert await run("totp reseal") == (
        "",
        "Error: SECRET_KEY and SECRET_KEY_PREVIOUS do not decrypt all secrets.\n",
    )
    assert await run("totp reseal", **previous) == ("Secrets encrypted again: 1.\n", "")
    assert await run(f"users reset-mfa {phone.owner.email}") == (
        f"{phone.owner.email} has no second factor any more.\n",
        "",
    )
    assert (await phone.owner.get("/users/me")).status_code == 401
    await people.log_in(phone.owner.account)
