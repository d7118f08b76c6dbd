import os
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import binary_stdout, errors, output, run
from app.cli.users import create_user
from app.core.config import Settings, get_settings

ROOT = Path(__file__).parents[2]
ADMIN_EMAIL = "admin@example.com"
Port = Annotated[int, typer.Option(min=1, max=65535)]
Host = Annotated[str, typer.Option()]


def add_commands(cli: typer.Typer) -> None:
    for command in (setup, dev, serve, openapi):
        cli.command()(command)


def setup() -> None:
    """Make what a first start needs: .env, the database, an administrator.

    What is there already stays as it is.
    """
    write_env(Path(".env"))
    settings = get_settings()
    run(prepare(settings))


def write_env(file: Path) -> None:
    """Write fresh secrets where there are no settings yet."""
    if file.exists():
        return
    file.touch(mode=0o600)
    file.write_text(
        "# Written by `python -m app setup`; .env.example explains every setting.\n"
        f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
    )
    output.print(f"Wrote {file} with a fresh SECRET_KEY.")


async def prepare(settings: Settings) -> None:
    from sqlalchemy import exists, select

    from app.db import migrate
    from app.db.models.product import Product
    from app.db.models.user import Role, User
    from app.db.session import Database
    from app.demo.products import add_products

    await migrate.upgrade(settings)
    async with Database(settings) as database:
        admins = exists().where(User.role == Role.ADMIN)
        products = exists(select(Product.id))
        statement = select(admins.label("admins"), products.label("products"))
        [found] = await database.read.all(statement, {})
        if not found.admins:
            password = await create_user(ADMIN_EMAIL, "admin", None)
            output.print(f"Created the administrator {ADMIN_EMAIL}.")
            output.print(f"Password, shown only now: {password}", markup=False)
        if not found.products and settings.environment == "development":
            await add_products(database, count=50)
            output.print("Loaded a demo catalogue of 50 products.")


def dev(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve one process that restarts when the code changes."""
    announce(host, port)
    replace_process(
        "uvicorn",
        "app.main:app",
        f"--host={host}",
        f"--port={port}",
        "--reload",
        "--reload-dir=app",
        "--no-server-header",
        "--no-proxy-headers",
        "--no-access-log",
    )


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Default: WEB_CONCURRENCY, or one a core, at most 4."),
    ] = None,
) -> None:
    """Serve with gunicorn."""
    settings = get_settings()
    on_sqlite = settings.database_url.startswith("sqlite")
    if workers is None and "web_concurrency" in settings.model_fields_set:
        workers = settings.web_concurrency
    if workers is None:
        workers = 1 if on_sqlite else min(usable_cores(), 4)
    if on_sqlite and workers > 1:
        errors.print("Warning: SQLite has one writer; more workers wait for it.")
    if workers > 1 and not settings.redis_url:
        errors.print("Warning: without REDIS_URL each worker counts limits alone.")
    announce(host, port)
    replace_process(
        "gunicorn",
        f"--config={ROOT / 'app/server/gunicorn_conf.py'}",
        f"--bind={host}:{port}",
        f"--workers={workers}",
        "app.main:app",
    )


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS binds no process to cores


def openapi() -> None:
    """Print the OpenAPI document."""
    import orjson

    from app.main import create_application

    file = binary_stdout()
    document = create_application().openapi()
    file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def announce(host: str, port: int) -> None:
    settings = get_settings()
    if not settings.is_production:
        output.print(f"Documentation: http://{host}:{port}/docs (stop with Ctrl-C)")


def replace_process(module: str, *arguments: str) -> None:
    assert find_spec(module)  # noqa: S101 - a dependency of ours
    sys.stdout.flush()
    command = [sys.executable, "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606
