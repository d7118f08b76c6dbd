"""The settings that both comparison programs take from the bench."""

import os

DATABASE_URL = os.environ["DATABASE_URL"]
DB_POOL_SIZE = int(os.environ["DB_POOL_SIZE"])
SECRET_KEY = os.environ["SECRET_KEY"]
