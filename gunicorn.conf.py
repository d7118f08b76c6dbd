"""How gunicorn serves the application; `app.server.gunicorn_conf` holds it all."""

from app.server.gunicorn_conf import *  # noqa: F403
