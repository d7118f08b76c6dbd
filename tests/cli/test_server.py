"""`setup`, `openapi`, and how `serve` and `dev` start."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest

from app.cli.server import usable_cores
from testbed.processes import free_port, leashed
from testbed.service import ROOT, Service, command, wait_for
from tests.server.edge import LOGIN, connect, head, read_answer

NAMED = ("setup", "--admin-email", "ada@example.org")
QUESTION = "E-mail address of the first administrator:"
STRONG = "k7Vq0aZ4m9XwT2bN8rLcYe5HdJ1uGfS6"


class TestSetup:
    def test_creates_missing_files_and_keeps_existing_ones(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        first = command("setup", environment=environment)
        secrets = (tmp_path / ".env").read_text()
        second = command("setup", environment=environment)

        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        assert first.stdout.index("Updating the") < first.stdout.index("Password")
        assert "Password, shown only once: " in first.stdout
        assert "Password" not in second.stdout + second.stderr
        assert (tmp_path / ".env").read_text() == secrets
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
        check = command("config", "check", environment=environment)
        assert (check.returncode, check.stderr) == (0, "")
        assert command("db", "check", environment=environment).returncode == 0

    def test_does_not_write_an_environment_that_is_already_set(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: write `development` to `.env` although ENVIRONMENT is set."""
        environment |= {"ENVIRONMENT": "staging", "SECRET_KEY": STRONG}
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'staging.db'}"

        done = command(*NAMED, environment=environment)

        assert done.returncode == 0, done.stderr
        assert "ENVIRONMENT" not in (tmp_path / ".env").read_text()

    def test_asks_for_the_first_administrator_outside_development(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: create an administrator whose address belongs to no person."""
        environment |= {"ENVIRONMENT": "staging", "SECRET_KEY": STRONG}
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'staging.db'}"

        unnamed = command("setup", environment=environment)
        named = command(*NAMED, environment=environment)
        again = command("setup", environment=environment)

        assert (unnamed.returncode, named.returncode, again.returncode) == (1, 0, 0)
        assert unnamed.stderr.endswith(
            "Error: There is no administrator yet. Name one with --admin-email.\n"
        )
        assert "Created the administrator ada@example.org." in named.stdout
        assert "admin@example.com" not in unnamed.stdout + named.stdout + again.stdout

    def test_asks_for_the_address_on_a_terminal(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: fail without `--admin-email` although a person can answer."""
        environment |= {"ENVIRONMENT": "staging", "SECRET_KEY": STRONG}
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'staging.db'}"
        terminal, stdin = os.openpty()
        os.write(terminal, b"ada@example.org\n")

        asked = subprocess.run(
            [sys.executable, "-m", "app", "setup"],
            cwd=tmp_path,
            env=environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(stdin)
        os.close(terminal)

        assert "Created the administrator ada@example.org." in asked.stdout
        assert asked.stderr.strip() == QUESTION

    def test_ends_at_the_first_interrupt_of_the_question(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: ask in the event loop, which takes the first Ctrl-C for itself."""
        environment |= {"ENVIRONMENT": "staging", "SECRET_KEY": STRONG}
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'staging.db'}"
        terminal, stdin = os.openpty()

        with subprocess.Popen(
            [sys.executable, "-m", "app", "setup"],
            cwd=tmp_path,
            env=environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as asking:
            assert asking.stderr is not None
            said = asking.stderr.read(len(QUESTION))
            asking.send_signal(signal.SIGINT)
            os.write(terminal, b"ada@example.org\n")  # so that the mutant ends, too
            rest = asking.stderr.read()
        os.close(stdin)
        os.close(terminal)

        assert said.decode() == QUESTION
        assert (asking.returncode, rest.strip()) == (130, b"")


class TestTakenPort:
    @pytest.mark.parametrize("name", ["serve", "dev"])
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_names_a_free_port_in_a_command(
        self, environment: dict[str, str], name: str, host: str
    ) -> None:
        """Mutant: name the next port although another program has it, too."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with (
            socket.create_server((host, 0), family=family) as taken,
            socket.socket(family) as neighbour,
        ):
            port = taken.getsockname()[1]
            with suppress(OSError):  # another program has the port
                neighbour.bind((host, port + 1))
            line = ("--host", host, "--port", str(port))
            ended = command(name, *line, environment=environment)

        assert ended.returncode == 1
        [error] = ended.stderr.splitlines()
        said = rf"Error: Port {port} is in use. Try: \S+ -m app {name}"
        found = re.fullmatch(rf"{said} --host {host} --port (\d+)", error)
        assert found is not None, error
        assert int(found[1]) > port + 1


def test_all_lines_on_stdout_are_json_if_the_log_is(
    environment: dict[str, str],
) -> None:
    program = "from app.cli import server; server.announce('::1', 8000)"
    ended = command(environment=environment, program=("-c", program))

    assert ended.stdout == ""
    assert ended.stderr.startswith("Starting on http://[::1]:8000 ")


def test_fastapi_dev_and_run_serve_the_application(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C ends `app dev` with the exit code of an interrupted command.

    Mutants: name a wrong entry point; lock no `fastapi-cli`; do no setup in `dev`.

    If `fastapi run` gets a path, it looks for `app` in `dir()` of the module. Mutant:
    remove `__dir__` from the module.
    """
    starts: list[tuple[str, list[str], Path]] = [
        ("fastapi", ["dev"], ROOT),  # pyproject.toml there names the app
        ("fastapi", ["run", "app/main.py"], ROOT),
        ("app", ["dev"], tmp_path),
    ]
    with ExitStack() as stack:
        services = []
        for number, (module, arguments, directory) in enumerate(starts):
            port = free_port()
            file = tmp_path / f"start-{number}"
            log = stack.enter_context(file.open("wb"))
            line = (sys.executable, "-m", module, *arguments, f"--port={port}")
            process = subprocess.Popen(
                leashed(line, signal.SIGTERM, "-"),
                cwd=directory,
                env=environment | {"DATABASE_URL": f"sqlite:///{file}.db"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            services.append(Service(port, process, file, environment))
            stack.callback(services[-1].stop)
        for service in services:
            wait_for(service)
            document = httpx2.get(f"{service.url}/openapi.json", timeout=60).json()
            assert "/api/v1/users/me" in document["paths"]
        ready = httpx2.get(f"{services[-1].url}/api/v1/health/ready", timeout=60)
        assert ready.status_code == 200
        dev = services[-1].process
        dev.send_signal(signal.SIGINT)
        assert dev.wait(120) == 130


def test_serve_answers_the_requests_in_flight_when_it_is_told_to_stop(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Mutant: run gunicorn as a child, which SIGTERM does not reach."""
    body = b"{}"
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    login = head("POST", LOGIN, *lines, "Expect: 100-continue", host="Host: 127.0.0.1")
    port, file = free_port(), tmp_path / "log"
    with file.open("wb") as log, ExitStack() as clients:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment | {"DRAIN_DELAY_SECONDS": "0"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        service = Service(port, process, file, environment)
        clients.callback(process.wait)
        clients.callback(process.terminate)
        wait_for(service)
        in_flight = [clients.enter_context(connect(service)) for _ in range(10)]
        for client in in_flight:
            client.sendall(login)
            assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")

        process.terminate()
        while process.poll() is None and b"server.drain" not in file.read_bytes():
            time.sleep(0.02)
        for client in in_flight:
            client.sendall(body)

        assert [read_answer(client).status for client in in_flight] == [422] * 10
        assert process.wait(120) == 0


def test_counts_all_cores_on_systems_without_cpu_affinity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: call `os.sched_getaffinity`, which macOS lacks."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)

    assert usable_cores() == os.cpu_count()


def test_openapi_is_printed_without_a_database(environment: dict[str, str]) -> None:
    ended = command("openapi", environment=environment)

    document = json.loads(ended.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/users/me" in document["paths"]
