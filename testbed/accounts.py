"""The password of every account that tests and drills make in the database."""

from functools import cache

from pwdlib.hashers.argon2 import Argon2Hasher

PASSWORD = "a quiet orange typewriter"


@cache
def password_hash() -> str:
    """The cheapest hash of `PASSWORD` that the application accepts as its own."""
    hasher = Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1)
    return hasher.hash(PASSWORD)
