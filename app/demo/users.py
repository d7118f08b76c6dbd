"""Made-up users: the same seed gives the same users."""

import secrets
import tomllib
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any
from unicodedata import normalize

from pwdlib.hashers.argon2 import Argon2Hasher
from uuid_utils.compat import uuid7

from app.db.base import utc_now
from app.db.models.user import Role, User
from app.db.session import Database
from app.demo.rows import Advance, add_rows, ignore

UNIQUE = User.email_canonical
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


async def add(
    database: Database, count: int, advance: Advance = ignore, seed: int = 0
) -> None:
    """Add the next `count` users of a seed, in one transaction.

    All get the same random password. It is not kept, so they cannot log in.
    """
    password_hash = Argon2Hasher().hash(secrets.token_urlsafe()) if count else ""
    make = partial(make_user, password_hash=password_hash, seed=seed)
    await add_rows(database, UNIQUE, make, count, advance)


def make_user(number: int, password_hash: str, seed: int = 0) -> dict[str, Any]:
    """Make user `number` of a seed.

    If a name is repeated, its e-mail address gets a number.
    """
    choice = Random(f"user {seed} {number}")  # noqa: S311 - no secret
    names = shuffled_names(seed)
    turn, nth = divmod(number - 1, len(names))
    full_name = names[nth]
    email = f"{mailbox(full_name)}{turn + 1 if turn else ''}@example.org"
    created_at = utc_now() - timedelta(seconds=choice.randrange(365 * 86_400))
    return {
        "id": uuid7(),
        "email": email,
        "email_canonical": email,
        "password_hash": password_hash,
        "full_name": full_name,
        "role": Role.USER,
        "is_active": choice.random() > 0.05,
        "email_verified": choice.random() > 0.1,
        "version": 1,
        "created_at": created_at,
        "updated_at": created_at,
    }


@lru_cache(maxsize=1)
def shuffled_names(seed: int) -> list[str]:
    names = [
        f"{given} {family}"
        for people in WORDS["people"]
        for given in people["given"]
        for family in people["family"]
    ]
    Random(f"names {seed}").shuffle(names)  # noqa: S311 - no secret
    return names


def mailbox(full_name: str) -> str:
    """Write the name in ASCII.

    NFKD separates accents from letters, and the encoding then drops the accents.
    """
    letters = normalize("NFKD", full_name).encode("ascii", "ignore").decode()
    return letters.lower().replace(" ", ".")
