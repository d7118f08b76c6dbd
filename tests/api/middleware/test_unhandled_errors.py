import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware.unhandled_errors import UnhandledErrorsMiddleware
from app.core.errors import DatabaseUnavailable
from tests.api.middleware.exchange import Answer, ask, greet, http_scope

SECRET = "postgresql://admin:hunter2@db.internal/prod"


def failing(error: BaseException, *, after_start: bool = False) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return UnhandledErrorsMiddleware(app)


class TestUnhandledError:
    async def test_is_answered_without_its_message(self) -> None:
        answer = await ask(failing(RuntimeError(SECRET)), http_scope())
        assert answer.status == 500
        assert answer.problem == {
            "type": "/errors#internal_error",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "The service failed to handle the request.",
            "code": "internal_error",
        }

    async def test_is_logged_once_with_its_traceback(self) -> None:
        with capture_logs() as logs:
            await ask(failing(RuntimeError(SECRET)), http_scope())
        [entry] = logs
        assert entry["event"] == "http.unhandled_error"
        assert entry["log_level"] == "error"
        assert entry["error_type"] == "RuntimeError"
        assert entry["exc_info"]

    async def test_during_an_answer_cuts_the_answer(self) -> None:
        with capture_logs() as logs, pytest.raises(RuntimeError):
            await ask(failing(RuntimeError(), after_start=True), http_scope())
        assert [entry["event"] for entry in logs] == ["http.unhandled_error"]

    async def test_that_an_expected_error_caused_is_logged_in_one_line(self) -> None:
        """Mutants: raise the error to the server; log also defects in one line."""
        refusal = RuntimeError("Starlette: the response has already started.")
        refusal.__cause__ = DatabaseUnavailable()

        with capture_logs() as logs:
            answer = await ask(failing(refusal, after_start=True), http_scope())

        assert [message["type"] for message in answer.messages] == [
            "http.response.start"
        ]
        assert logs == [
            {
                "event": "http.cut",
                "log_level": "warning",
                "code": "dependency_unavailable",
                "reason": "DatabaseUnavailable",
                "message": "The database cannot be reached.",
            }
        ]


class TestExpectedEndings:
    async def test_a_client_that_disconnected_gets_no_answer(self) -> None:
        with capture_logs() as logs:
            answer = await ask(failing(ClientDisconnect()), http_scope())
        assert answer == Answer([])
        assert logs == []

    async def test_a_cancellation_is_not_handled(self) -> None:
        with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
            await ask(failing(asyncio.CancelledError()), http_scope())
        assert logs == []

    async def test_an_error_at_startup_is_not_handled(self) -> None:
        with pytest.raises(RuntimeError):
            await ask(failing(RuntimeError()), {"type": "lifespan"})

    async def test_an_answer_passes_unchanged(self) -> None:
        answer = await ask(UnhandledErrorsMiddleware(greet), http_scope())
        assert (answer.status, answer.body) == (200, b"hello")
