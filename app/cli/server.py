import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import INTERRUPTED, binary_stdout, errors, fail, output, run
from app.cli.users import create_user
from app.core.config import Settings, get_settings
from app.demo import RESOURCES

CODE = Path(__file__).parents[1]
CONFIGURATION = CODE / "server/gunicorn_conf.py"
DEVELOPMENT_ADMIN = "admin@example.com"
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]

group = typer.Typer()


@group.command()
def setup(
    admin_email: Annotated[
        str,
        typer.Option(
            help="E-mail address of the first administrator. If there is no "
            f"administrator yet, the default is {DEVELOPMENT_ADMIN} in development. "
            "Outside development there is no default: the command asks for the "
            "address, or fails if it does not run on a terminal."
        ),
    ] = "",
) -> None:
    """Create .env, the database and an administrator.

    Run this command before the first start. It keeps everything that exists already. In
    development it also adds demo data.
    """
    write_env(Path(".env"))
    settings = get_settings()
    is_development = settings.environment == "development"
    if not run(has_administrator(settings)):
        email = admin_email or (DEVELOPMENT_ADMIN if is_development else ask())
        password = run(create_user(email, "admin", None))
        output.print(f"Created the administrator {email}.")
        output.print(f"Password, shown only once: {password}")
    if is_development:
        run(load_demo(settings))


def write_env(file: Path) -> None:
    """Write a settings file with a new secret, unless the file exists."""
    if file.exists():
        return
    file.touch(mode=0o600)
    file.write_text(
        "# Written by `python -m app setup`. `.env.example` explains every setting.\n"
        f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
    )
    output.print(f"Wrote {file} with a new SECRET_KEY.")


async def has_administrator(settings: Settings) -> bool:
    """Update the schema, and look for an administrator."""
    from sqlalchemy import exists, select

    from app.db import migrate
    from app.db.models.user import Role, User
    from app.db.session import Database, transaction

    output.print("Updating the database schema.")
    await migrate.upgrade(settings)
    async with Database(settings) as database, transaction(database) as session:
        admins = exists().where(User.role == Role.ADMIN)
        return bool(await session.scalar(select(admins)))


def ask() -> str:
    if not sys.stdin.isatty():
        fail("There is no administrator yet. Name one with --admin-email.")
    asked: str = typer.prompt("E-mail address of the first administrator", err=True)
    return asked


async def load_demo(settings: Settings) -> None:
    from app.db.session import Database
    from app.demo.rows import is_empty

    async with Database(settings) as database:
        for name, amounts in RESOURCES.items():
            rows = import_module(f"app.demo.{name}")
            if amounts.setup and await is_empty(database, rows.UNIQUE):
                output.print(f"Adding {amounts.setup} {name} as demo data.")
                await rows.add(database, amounts.setup)


@group.command()
def dev(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve for development, and restart when the code changes.

    The service runs in one process. If there is no database file yet, the command first
    does the same as `setup`.
    """
    refuse_taken("dev", host, port)
    settings = get_settings()
    if settings.environment == "development" and settings.lacks_file:
        get_settings.cache_clear()  # `setup` writes `.env`
        setup()
    announce(host, port)
    command = (
        *(sys.executable, "-m", "uvicorn", "app.main:app"),
        f"--host={host}",
        f"--port={port}",
        "--reload",
        f"--reload-dir={CODE}",
        "--http=app.server.uvicorn_connection:UvicornConnection",
        "--no-server-header",
        "--no-proxy-headers",
        "--no-access-log",
    )
    sys.stdout.flush()
    # Run uvicorn as a child, not by `execv`: after Ctrl-C it exits with 0, but this
    # command must exit with 130.
    with subprocess.Popen(command) as server:  # noqa: S603
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            code = server.wait()
        except KeyboardInterrupt:
            server.send_signal(signal.SIGINT)  # `kill -INT` reaches only this process
            code = INTERRUPTED
    raise typer.Exit(code)


@group.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of worker processes. Default: WEB_CONCURRENCY. If this is not "
            "set either: one per core, at most 4, but only one on SQLite.",
        ),
    ] = None,
) -> None:
    """Serve in production with gunicorn."""
    settings = get_settings()
    on_sqlite = settings.on_sqlite
    if workers is None and "web_concurrency" in settings.model_fields_set:
        workers = settings.web_concurrency
    if workers is None:
        workers = 1 if on_sqlite else min(usable_cores(), 4)
    if on_sqlite and workers > 1:
        errors.print(
            "Warning: SQLite has one writer, so more workers do not write faster."
        )
    if workers > 1 and not settings.redis_url:
        errors.print(
            "Warning: without REDIS_URL each worker counts rate limits separately."
        )
    refuse_taken("serve", host, port)
    announce(host, port)
    command = (
        *(sys.executable, "-m", "gunicorn", "app.main:app"),
        f"--config={CONFIGURATION}",
        f"--bind={authority(host, port)}",
        f"--workers={workers}",
    )
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS does not bind processes to cores


@group.command()
def openapi() -> None:
    """Print the OpenAPI document as JSON."""
    import orjson

    from app.main import create_application

    file = binary_stdout()
    document = create_application().openapi()
    file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def refuse_taken(command: str, host: str, port: int) -> None:
    """Fail if another program has the port, and name a free one."""
    if is_taken(host, port):
        others = range(port + 1, min(port + 100, 65536))
        free = next((each for each in others if not is_taken(host, each)), None)
        other = f"--host {host} --port {free or '…'}"
        python = Path(sys.executable)
        if python.is_relative_to(Path.cwd()):
            python = python.relative_to(Path.cwd())
        fail(f"Port {port} is in use. Try: {python} -m app {command} {other}")


def announce(host: str, port: int) -> None:
    url, settings = f"http://{authority(host, port)}", get_settings()
    # A program that reads the log expects JSON in every line of stdout.
    shown = errors if settings.logs_json else output
    shown.print(f"Starting on {url} (press Ctrl-C to stop).")
    if not settings.is_production:
        shown.print(f"Documentation: {url}/docs")


def is_taken(host: str, port: int) -> bool:
    """Whether another program listens. The server reports any other fault itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # The servers set this option, too. With it they can use a port whose
        # connections have just ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
