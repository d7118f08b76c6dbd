"""The generated files, and whether they are up to date."""

from pathlib import Path

import orjson

from app.core.config import Settings, get_settings
from app.main import create_application
from reference import (
    alerts,
    dashboards,
    errors,
    resource,
    review,
    routes,
    settings,
)

SECURITY = Path("docs/security.md")
RESOURCE = Path("docs/adding-a-resource.md")


def write(*, check: bool) -> list[Path]:
    """Write the files, or with `check` only list those that would change."""
    app, prefix = create_application(), get_settings().api_v1_prefix
    files = {
        Path("docs/settings.md"): settings.markdown(),
        Path(".env.example"): settings.env_example(),
        Path("docs/errors.md"): errors.markdown(),
        Path("docs/readiness-review.md"): review.markdown(),
        Path("openapi.json"): openapi(),
        Path("deploy/prometheus/rules.yml"): alerts.rules(),
        **{
            Path(f"deploy/grafana/{name}.json"): dashboards.dashboard(name)
            for name in dashboards.DASHBOARDS
        },
        SECURITY: routes.with_routes(SECURITY.read_text(), app, prefix),
        RESOURCE: resource.with_code(RESOURCE.read_text()),
    }
    stale = [
        file
        for file, text in files.items()
        if not file.exists() or file.read_text() != text
    ]
    if not check:
        for file in stale:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(files[file])
    return stale


def openapi() -> str:
    """Write the document for the default settings. `.env` must not change it."""
    app = create_application(Settings(_env_file=None))
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2).decode() + "\n"
