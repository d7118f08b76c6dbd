"""The settings that all comparison programs take from the bench."""

import os

DATABASE_URL = os.environ["DATABASE_URL"]
DB_POOL_SIZE = int(os.environ["DB_POOL_SIZE"])
# The key that signs the access tokens of the application. With it all programs accept
# the token of one login.
TOKEN_KEY = bytes.fromhex(os.environ["TOKEN_KEY"])
