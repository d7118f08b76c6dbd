"""Configures `gunicorn app.main:app` if you run it in this directory."""

from app.server.gunicorn_conf import *  # noqa: F403
