"""nginx and HAProxy with the samples of `deploy/`, in front of a running service."""

import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore, Thread
from uuid import uuid4

import httpx2
import pytest

from testbed.haproxy import Haproxy
from testbed.nginx import Nginx
from testbed.processes import free_port
from testbed.reverse_proxy import ReverseProxy, start_proxy
from testbed.service import ROOT, Service, make_environment, start_service

CLIENT = "127.0.0.2"  # another address of this machine, to connect from
READY = "/api/v1/health/ready"
REFRESH = "/api/v1/auth/refresh"
IDLE = {"nginx.conf": r"keepalive_timeout (\d+)s;", "haproxy.cfg": r"alive (\d+)s"}

needs_haproxy = pytest.mark.skipif(not Haproxy.binary(), reason="haproxy is missing")
needs_nginx = pytest.mark.skipif(not Nginx.binary(), reason="nginx is missing")
each_proxy = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Nginx, marks=needs_nginx, id="nginx"),
        pytest.param(Haproxy, marks=needs_haproxy, id="haproxy"),
    ],
    scope="module",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture(scope="module")
def service(home: Path, sqlite_template: Path) -> Iterator[Service]:
    """A service on a TCP port and on the Unix socket `http.sock`."""
    environment = make_environment(
        home,
        DATABASE_URL=f"sqlite:///{shutil.copy(sqlite_template, home / 'app.db')}",
        # Trust the clients, too. So the service believes each header that gets through.
        TRUSTED_PROXIES="127.0.0.0/8",
        MAX_BODY_BYTES="3000000",
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "http.sock"))
        listener.listen()
        with start_service(
            home, environment=environment, listeners=[listener]
        ) as service:
            yield service


@pytest.fixture(scope="module", params=["tcp", "unix"])
def proxy(
    request: pytest.FixtureRequest,
    kind: type[ReverseProxy],
    service: Service,
    home: Path,
) -> Iterator[ReverseProxy]:
    """A proxy in front of an instance that runs and of one that does not."""
    instances = [f"127.0.0.1:{service.port}", f"127.0.0.1:{free_port()}"]
    if request.param == "unix":
        instances = [f"unix:{home / name}" for name in ("http.sock", "none.sock")]
    directory = home / f"{kind.name}-{request.param}"
    directory.mkdir()
    with start_proxy(kind, directory, instances) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: ReverseProxy) -> Iterator[httpx2.Client]:
    transport = httpx2.HTTPTransport(local_address=CLIENT)
    with httpx2.Client(base_url=proxy.url, transport=transport, timeout=60) as client:
        yield client


@each_proxy
class TestProxy:
    def test_names_the_client_by_its_connection(
        self, client: httpx2.Client, service: Service
    ) -> None:
        """Mutants: append to X-Forwarded-For; do not change X-Forwarded-For."""
        asked = uuid4().hex
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": asked}
        client.get("/nowhere", headers=headers)

        assert line_of(service, asked)["client_ip"] == CLIENT

    def test_passes_on_readiness(self, client: httpx2.Client) -> None:
        assert client.get(READY).json()["status"] == "ready"

    @pytest.mark.parametrize(
        "given", ["0af7651916cd43dd8448eb211c80319c", "short", "with a space", ""]
    )
    def test_has_the_request_id_of_the_answer_in_its_log(
        self, client: httpx2.Client, proxy: ReverseProxy, given: str
    ) -> None:
        """Mutants: pass on what the client sent; always make a new ID."""
        answer = client.get("/nowhere", headers={"X-Request-ID": given})

        request_id = answer.headers["X-Request-ID"]
        assert (request_id == given) == (len(given) == 32)
        found = wait_for_text(proxy.request_log, request_id)
        assert "GET /nowhere" in found

    def test_leaves_the_limit_for_bodies_to_the_service(
        self, client: httpx2.Client
    ) -> None:
        """Mutant: use nginx's default limit of 1 MB."""
        answer = client.post(REFRESH, json={"refresh_token": "x" * 2_000_000})

        assert answer.status_code == 422

    def test_passes_on_the_refusal_of_a_body_that_it_still_sends(
        self, client: httpx2.Client
    ) -> None:
        """Mutant: let the service close at once, so that nginx answers 502."""
        answers = [client.post(REFRESH, content=b" " * 5_000_000) for _ in range(50)]

        assert [answer.status_code for answer in answers] == [413] * 50

    def test_sends_a_post_to_the_instance_that_accepts_connections(
        self, client: httpx2.Client
    ) -> None:
        """Mutants: set `proxy_next_upstream off`; remove `check` and `redispatch`."""
        client.headers["Connection"] = "close"  # so that the proxy chooses each time
        answers = [client.post(REFRESH, json={"refresh_token": "x"}) for _ in "1234"]

        assert [answer.status_code for answer in answers] == [401] * 4


def line_of(service: Service, request_id: str) -> dict[str, object]:
    wait_for_text(service.log_file, request_id)
    [line] = [each for each in service.log() if each.get("request_id") == request_id]
    return line


def wait_for_text(log: Path, text: str) -> str:
    """Wait for the line with the text: the log can be later than the answer."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        *lines, _ = log.read_text().split("\n")
        if found := [line for line in lines if text in line]:
            return found[0]
        time.sleep(0.02)
    pytest.fail(f"{log.name} has no line with {text}.")


class Instance(ThreadingHTTPServer):
    """Answers a GET with its own address. Closes the connection of a POST."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.ready, self.posts = True, 0
        self.refused = Semaphore(0)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Instance

    def do_GET(self) -> None:
        refuses = self.path == READY and not self.server.ready
        self.send_response(503 if refuses else 200)
        self.end_headers()
        self.wfile.write(self.server.address.encode())
        if refuses:
            self.server.refused.release()

    def do_POST(self) -> None:
        self.server.posts += 1

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def running() -> Iterator[tuple[Instance, Instance]]:
    with ExitStack() as stack:
        instances = Instance(), Instance()
        for instance in instances:
            stack.callback(instance.server_close)
            Thread(target=instance.serve_forever, args=[0.01], daemon=True).start()
            stack.callback(instance.shutdown)
        yield instances


@each_proxy
def test_never_sends_a_post_twice(kind: type[ReverseProxy], tmp_path: Path) -> None:
    """Mutants: set `non_idempotent` in nginx; `retry-on empty-response` in HAProxy."""
    with (
        running() as instances,
        start_proxy(kind, tmp_path, [each.address for each in instances]) as proxy,
    ):
        answer = httpx2.post(proxy.url, timeout=60)

    assert answer.status_code == 502
    assert sum(instance.posts for instance in instances) == 1


@needs_haproxy
def test_haproxy_follows_readiness(tmp_path: Path) -> None:
    """Mutants: remove `check`; remove `allbackups`; remove the backup servers."""
    with (
        running() as (first, second),
        start_proxy(Haproxy, tmp_path, [first.address, second.address]) as proxy,
    ):

        def answered() -> list[str]:
            return [httpx2.get(proxy.url, timeout=60).text for _ in range(4)]

        assert {*answered()} == {first.address, second.address}
        first.ready = False
        wait_for_refusals(first)
        assert {*answered()} == {second.address}

        second.ready = False
        wait_for_refusals(second)
        assert {*answered()} == {first.address, second.address}


def wait_for_refusals(instance: Instance) -> None:
    """Wait until HAProxy asks again after the two refusals that it counts."""
    for _ in range(3):
        assert instance.refused.acquire(timeout=60)


@pytest.mark.parametrize("sample", IDLE)
def test_idle_connections_end_before_the_service_closes_them(sample: str) -> None:
    """Mutant: use nginx's default of 75 seconds."""
    [seconds] = re.findall(IDLE[sample], (ROOT / "deploy" / sample).read_text())
    ours = (ROOT / "app/server/gunicorn_conf.py").read_text()
    [kept] = re.findall(r"^keepalive = (\d+)$", ours, re.MULTILINE)

    assert int(seconds) < int(kept)
