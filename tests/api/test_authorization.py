"""Which role can call which operation, compared with `docs/security.md`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import Response
from starlette.routing import Mount, WebSocketRoute
from structlog.testing import capture_logs

from app.api.authentication import VisitorDep, caller_with
from app.api.authorization import check_routes, public
from app.api.idempotency import Idempotent
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.main import create_application
from tests.conftest import make_settings
from tests.support.people import Client, People
from tests.support.watch import watch_statements

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
PREFIX = "/api/v1"
ROLES = ("user", "editor", "admin")
SERVER_OWNED = {
    "created_at": "2026-01-01T00:00:00Z",
    "email_canonical": "x@example.org",
    "email_verified": True,
    "id": str(uuid4()),
    "is_active": True,
    "owner_id": str(uuid4()),
    "password_hash": "x",
    "role": "admin",
    "updated_at": "2026-01-01T00:00:00Z",
    "user_id": str(uuid4()),
    "version": 7,
}
BY_ADMINISTRATORS = {
    ("POST /users", "role"),
    ("POST /users", "is_active"),
    ("PATCH /users/{user_id}", "role"),
    ("PATCH /users/{user_id}", "is_active"),
}


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \| (\w+)", PAGE.read_text(), re.MULTILINE)
    return dict(rows)


def operations(app: FastAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path.removeprefix(PREFIX)}", operation


async def call(client: Client, operation: str, **ids: str) -> Response:
    method, path = operation.split()
    for name in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{name}}}", ids.get(name) or str(uuid4()))
    url = f"http://test{path}" if path.startswith("/.") else path
    return await client.request(method, url)


class TestRoutes:
    def test_are_exactly_those_documented(self) -> None:
        app = create_application(make_settings())
        assert documented().keys() == {operation for operation, _ in operations(app)}

    async def test_let_in_only_the_documented_roles(
        self, people: People, client: Client
    ) -> None:
        # Mutants: declare no scope on a route; declare one that a lesser role has.
        callers = {"public": client}
        for role in ROLES:
            callers[role] = await people.sign_in(role)
        # Call these operations last, because they end sessions of the caller.
        last = ("POST /auth/logout-all", "POST /auth/logout")
        rows = documented()
        table = sorted(
            rows.items(), key=lambda row: (row[0] in last, row[0] == last[1])
        )
        mistakes = []

        for operation, least in table:
            for rank, (role, caller) in enumerate(callers.items()):
                answer = await call(caller, operation)
                allowed = rank >= [*callers].index(least)
                expected = {401} if role == "public" else {403}
                if allowed == (answer.status_code in {401, 403}) or (
                    not allowed and answer.status_code not in expected
                ):
                    mistakes.append((operation, role, answer.status_code))

        assert mistakes == []

    @pytest.mark.parametrize("role", ROLES)
    async def test_record_denied_callers(
        self, people: People, admin: Client, role: str
    ) -> None:
        caller = await people.sign_in(role)
        for _ in range(12):
            await caller.get("/audit-events")

        query = {"event": "authz.denied", "subject_id": caller.user_id}
        events = (await admin.get("/audit-events", params=query)).json()["items"]

        assert len(events) == (0 if role == "admin" else 10)  # at most 10 of a flood
        assert all(event["detail"] == {"scope": "audit:read"} for event in events)


class TestCallerLookup:
    async def test_reads_the_session_once_in_a_request(self, user: Client) -> None:
        """Mutant: read the session again to find the owner of the idempotency key."""
        with watch_statements() as statements:
            response = await user.post("/notes", json={"title": "Groceries"})

        assert response.status_code == 201
        assert sum("JOIN auth_sessions" in each for each in statements) == 1

    async def test_with_a_refused_token_is_logged(self, client: Client) -> None:
        """The line contains the reason. At most 10 lines of a flood are logged."""
        forged = {"Authorization": "Bearer forged"}
        with capture_logs() as logs:
            answers = [await client.get("/users/me", headers=forged) for _ in range(12)]

        assert {answer.status_code for answer in answers} == {401}
        lines = [line for line in logs if line["event"] == "auth.token.refused"]
        assert len(lines) == 10
        assert {(line["log_level"], line["reason"]) for line in lines} == {
            ("info", "shape")
        }
        assert all(line["client_ip"] for line in lines)


class TestRoutesWithoutAccessRule:
    """Mutant: do not check the routes of included routers."""

    async def endpoint(self) -> None: ...

    def undecided(self, path: str) -> Any:
        inner, outer = api_router("/inner", tags=[]), api_router(tags=[])
        if path == "/socket":
            return WebSocketRoute(path, self.endpoint)
        if path == "/mounted":
            return Mount(path, FastAPI())
        inner.add_api_route(path, self.endpoint)
        outer.include_router(inner)
        return outer

    @pytest.mark.parametrize("path", ["/nested", "/socket", "/mounted"])
    def test_keep_the_service_from_starting(self, path: str) -> None:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        added = self.undecided(path)
        if isinstance(added, APIRouter):
            app.include_router(added, prefix="/outer")
        else:
            app.router.routes.append(added)

        with pytest.raises(RuntimeError, match=path):
            check_routes(app, policies=())

    def test_include_routes_that_accept_callers_without_a_token(self) -> None:
        async def greet(_: VisitorDep) -> None: ...

        router = api_router(tags=[])
        router.add_api_route("/greeting", greet)

        with pytest.raises(RuntimeError, match=r"a scope or public.*/greeting"):
            create_application(make_settings(), [router])

    def test_include_routes_whose_scope_is_on_a_router(self) -> None:
        outer, inner = api_router("/outer", tags=[]), api_router(tags=[])
        inner.add_api_route("/inner", greet)
        outer.include_router(inner, dependencies=[caller_with("users:read")])

        with pytest.raises(RuntimeError, match=r"on the route.*/outer/inner"):
            create_application(make_settings(), [outer])


class TestForeignRoutes:
    """A route of another class would have no limits, strict JSON or idempotency."""

    async def test_keep_the_service_from_starting(self) -> None:
        """On a plain `APIRouter`, `limited` would have no effect."""
        router = APIRouter()

        @router.post("/login", openapi_extra=public("A login has no token yet."))
        @limited("login")
        async def login() -> None: ...

        with pytest.raises(RuntimeError, match=r"api_router\(\).*/login"):
            create_application(make_settings(), [router])

    async def test_cannot_ask_for_idempotency(self) -> None:
        """Two requests with the same key would change the stock twice."""
        router = APIRouter()

        @router.post("/stock")
        async def change(
            _: Annotated[None, caller_with("account:write")], _once: Idempotent
        ) -> None: ...

        with pytest.raises(RuntimeError, match=r"api_router\(\).*/stock"):
            create_application(make_settings(), [router])

    async def test_are_found_below_other_routers(self) -> None:
        outer, inner = api_router("/outer", tags=[]), APIRouter()
        inner.add_api_route("/inner", greet, openapi_extra=public("A greeting."))
        outer.include_router(inner)

        with pytest.raises(RuntimeError, match="/outer/inner"):
            create_application(make_settings(), [outer])


async def test_a_misspelt_limit_keeps_the_service_from_starting() -> None:
    router = api_router(tags=[])
    greeting = limited("logins")(greet_once)
    router.add_api_route("/hi", greeting, openapi_extra=public("A greeting."))

    with pytest.raises(RuntimeError, match=r"name of a policy.*/hi"):
        create_application(make_settings(), [router])


async def greet() -> None: ...


async def greet_once() -> None: ...


class TestObjectsOfOthers:
    async def test_answer_as_if_they_did_not_exist(
        self, people: People, user: Client
    ) -> None:
        # Mutant: find a session without its owner.
        other = await people.sign_in()
        [session] = (await other.get("/auth/sessions")).json()["items"]
        ids = {"session_id": session["id"], "user_id": other.user_id}
        owned = [
            operation
            for operation, least in documented().items()
            if least == "user" and {*re.findall(r"{(\w+)}", operation)} & {*ids}
        ]
        assert owned

        for operation in owned:
            headers = {"X-Request-ID": "the-same-id"}
            user.headers.update(headers)
            theirs = await call(user, operation, **ids)
            absent = await call(user, operation)
            assert theirs.status_code == absent.status_code == 404
            assert theirs.content == absent.content
        assert (await other.get("/users/me")).status_code == 200


@pytest.mark.parametrize("overrides", [{"rate_limit_enabled": False}])
class TestFieldsTheServerSets:
    async def test_are_refused_in_every_request_body(
        self, app: FastAPI, people: People
    ) -> None:
        # Mutants: use a schema that allows unknown fields; derive one from the table.
        admin = await people.sign_in("admin")
        before = (await admin.get("/users/me")).json()
        mistakes = []

        for operation, description in operations(app):
            if "application/json" not in description.get("requestBody", {}).get(
                "content", {}
            ):
                continue
            method, path = operation.split()
            for field, value in SERVER_OWNED.items():
                url = re.sub(r"{\w+}", admin.user_id, path)
                headers = {"If-Match": '"v1"'}
                answer = await admin.request(
                    method, url, json={field: value}, headers=headers
                )
                faults = [
                    fault["pointer"]
                    for fault in answer.json().get("errors", [])
                    if fault["code"] == "extra_forbidden"
                ]
                refused = len(faults) == 1
                if refused == ((operation, field) in BY_ADMINISTRATORS):
                    mistakes.append((operation, field, answer.status_code))

        assert mistakes == []
        assert (await admin.get("/users/me")).json() == before


def test_routes_pass_the_check_in_production() -> None:
    settings = make_settings(
        environment="production",
        database_url="sqlite:///unused.db",
        secret_key="q8Zr1xV6mN3kT0sB7yH4wL9cJ2fD5gPa",
        allowed_hosts="test",
        public_base_url="https://test",
    )

    create_application(settings)  # checks every route
