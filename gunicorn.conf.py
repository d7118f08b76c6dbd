"""The configuration of `gunicorn app.main:app`, which finds it in this directory."""

from app.server.gunicorn_conf import *  # noqa: F403
