"""While all places are taken, the server refuses a read without parsing it."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from time import process_time

import pytest

from app.core.admission import Admission, Limit, door
from app.core.client_address import ClientAddressResolver
from app.server.early_refusal import EarlyRefusal
from testbed.accounts import create_account, log_in
from testbed.service import Service, make_environment, start_service
from tests.server.edge import LIVE, Answer, connect, head, read_answer
from tests.support.timeouts import holding, until

ME = "/api/v1/users/me"
ONE_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
BURST = 8
PLAIN = head("GET", f"{ME}?a=b", "Authorization: Bearer x")


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> EarlyRefusal:
    """Refuse every read."""
    limit = Limit(16)
    monkeypatch.setattr(limit, "value", 0)
    door.guard(limit, Admission(limit), uncounted={LIVE})
    return EarlyRefusal(ClientAddressResolver(()))


def test_keeps_the_request_id_of_the_client(refusal: EarlyRefusal) -> None:
    request = head("GET", ME, "X-Request-ID: abcdefgh")
    answer = refusal.answer(request, ("192.0.2.1", 1))
    assert answer is not None
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"x-request-id: abcdefgh" in top
    assert b'"request_id":"abcdefgh"' in body
    assert b"content-length: %d" % len(body) in top


@pytest.mark.parametrize(
    "data",
    [
        head("POST", ME, "Content-Length: 0"),
        head("GET", LIVE),
        head("GET", f"{LIVE}?a=b"),
        head("GET", ME, "Content-Length: 5"),  # its body would follow
        head("GET", ME, "transfer-encoding : chunked"),
        head("GET", ME, "X: y\nContent-Length: 5"),
        head("GET", ME, "X: y\rContent-Length: 5"),
        head("GET", ME, "X: y\x00"),
        head("GET", ME, "X: y", " folded"),
        head("GET", ME, "Connection: close"),
        head("GET", ME, "Origin: https://app.example.com"),
        head("GET", "http://api.example.com/"),
        PLAIN + PLAIN,
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_leaves_all_but_one_plain_read_to_the_parser(
    refusal: EarlyRefusal, data: bytes
) -> None:
    """Mutants: refuse probes; refuse a request with a body, but do not read the body.

    A proxy can see a Content-Length after a bare line feed. Mutant: look only for CRLF.
    """
    assert refusal.answer(PLAIN, None) is not None
    assert refusal.answer(data, None) is None


def test_reads_a_long_line_without_end_in_linear_time(refusal: EarlyRefusal) -> None:
    """Mutant: let any visible character follow the path, not only a question mark.

    A line of 200 KB would then keep the worker busy for seconds.
    """

    def seconds(length: int) -> float:
        """Return the best of five runs, because other processes use the machine."""
        taken = []
        for _ in range(5):
            started = process_time()
            assert refusal.answer(b"GET /" + b"a" * length, None) is None
            taken.append(process_time() - started)
        return min(taken)

    assert seconds(16_000) < 64 * seconds(1000)


class TestRunningService:
    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"

    async def test_gives_the_answer_of_the_application(
        self, tmp_path: Path, database_url: str
    ) -> None:
        """Mutants: parse every read; forget a header field; keep no connection open."""
        environment = make_environment(
            tmp_path,
            DATABASE_URL=database_url,
            MAX_IN_FLIGHT="1",
            CORS_ALLOWED_ORIGINS="https://app.example.com",
        )
        email = "ada@example.org"
        await asyncio.to_thread(create_account, email, environment=environment)
        with start_service(tmp_path, environment=environment) as service:
            token = (await asyncio.to_thread(log_in, service, email))["Authorization"]
            lines = [f"Authorization: {token}"]
            async with holding(database_url, "LOCK TABLE users"):
                there = ("127.0.0.1", service.port)
                reader, held = await asyncio.open_connection(*there)
                held.write(head("GET", ME, *lines))
                answered = asyncio.create_task(reader.read(1))
                await until(database_url, ONE_WAITS, answered)
                answers = await asyncio.to_thread(burst, service, *lines)
                answered.cancel()
                held.close()
        logged = {line.get("request_id"): line for line in service.log()}

        shown = {
            name: {**each.headers, "x-request-id": "", "date": ""}
            for name, each in answers.items()
        }
        early = {name for name in answers if logged[name]["duration_ms"] == 0}
        assert "parsed-read" in answers.keys() - early
        assert len(early) >= BURST - 2
        for name, answer in answers.items():
            assert answer.problem["code"] == "overloaded"
            assert logged[name].keys() == logged["parsed-read"].keys()
            assert shown[name] == shown["parsed-read"]


def burst(service: Service, *lines: str) -> dict[str, Answer]:
    """Send reads at the same moment, and one more on a connection that was refused."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(service)) for _ in range(BURST)]
        names = ["parsed", *(f"early{number}" for number in range(1, BURST))]
        for name, socket in zip(names, sockets, strict=True):
            extra = ["Connection: keep-alive"] if name == "parsed" else []
            request = head("GET", ME, *lines, *extra, f"X-Request-ID: {name}-read")
            socket.sendall(request)
        answers = {
            f"{name}-read": read_answer(socket)
            for name, socket in zip(names, sockets, strict=True)
        }
        sockets[-1].sendall(head("GET", ME, *lines, "X-Request-ID: second-read"))
        return {**answers, "second-read": read_answer(sockets[-1])}
