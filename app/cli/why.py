import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli.accounts import open_existing
from app.cli.console import fail, output, run
from app.cli.lists import SECONDS, Json
from app.core.config import get_settings

if TYPE_CHECKING:
    from app.services.story import Story

group = typer.Typer()
Line = dict[str, Any]
# Not shown as fields, because the output shows them in another form or place.
SHOWN = {"event", "level", "logger", "timestamp", "request_id", "exception"}


@group.command()
def why(
    request_id: Annotated[str, typer.Argument(help="The X-Request-ID of the answer.")],
    *,
    logs: Annotated[
        str | None,
        typer.Option(help="File with the JSON log of the service, or - for stdin."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what happened during one request.

    The command shows the outcome, the caller, the waits, the mails and the audit
    events. Without --logs it shows only what is in the database.
    """
    lines: list[Line] = []
    if logs is not None:
        source = nullcontext(sys.stdin) if logs == "-" else Path(logs).open()  # noqa: SIM115
        with source as file:
            lines = list(read_lines(file, request_id))
    run(tell(request_id, lines, as_json=as_json))


def read_lines(file: Iterable[str], request_id: str) -> Iterable[Line]:
    """Yield the lines of the request and of all mails. `tell` drops other mails."""
    import orjson

    for text in file:
        if request_id in text or '"mail_id"' in text:
            try:
                line = orjson.loads(text[text.index("{") :])
            except ValueError:
                continue
            if line.get("request_id") == request_id or "mail_id" in line:
                yield line


def time_of(request_id: str, request: Line | None) -> datetime | None:
    """Return the time in the log line, or else the time in the id (UUIDv7), or None."""
    if request is not None:
        return datetime.fromisoformat(request["timestamp"])
    try:
        value = UUID(request_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


async def tell(request_id: str, lines: list[Line], *, as_json: bool) -> None:
    from app.core.errors import Unavailable, explain
    from app.services.story import read_story

    own = [line for line in lines if line.get("request_id") == request_id]
    request = next((line for line in own if line["event"] == "http.request"), None)
    mails = request.get("mails", []) if request else []
    others = [line for line in own if line is not request]
    others += [line for line in lines if line.get("mail_id") in mails]
    at = time_of(request_id, request)
    if at is None:
        fail("This id contains no time. Name the log with --logs.")
    story, unread = None, ""
    try:
        async with open_existing() as state:
            story = await read_story(
                state.database.read,
                request_id,
                at,
                session_id=request.get("session_id") if request else None,
                mails=mails,
            )
    except Unavailable as error:  # show the log without the database
        unread = explain(error).get("message", "") or str(error)
    if not own and not (story and story.events) and not unread:
        fail("Neither the log nor the database has this request.")
    if as_json:
        show_json(request, story, others, unread)
    else:
        show(request_id, request, story, others, unread)


def show_json(
    request: Line | None, story: "Story | None", others: list[Line], unread: str
) -> None:
    import orjson

    from app.services.story import CALLER, EVENTS, MAILS, columns

    told: Line = {"request": request, "log": others}
    if story:
        told |= {
            "caller": columns(story.caller, CALLER) if story.caller else None,
            "mails": [columns(mail, MAILS) for mail in story.mails],
            "audit_events": [columns(event, EVENTS) for event in story.events],
        }
    if unread:
        told["database_unavailable"] = unread
    output.out(orjson.dumps(told, default=str).decode())


def show(
    request_id: str,
    request: Line | None,
    story: "Story | None",
    others: list[Line],
    unread: str,
) -> None:
    from app.services.story import outcome

    if request is None:
        output.print(f"Request {request_id}. No log line: see --logs.")
    else:
        show_request(request)
    if story and (caller := story.caller):
        ended = f", ended {caller.revoked_at:{SECONDS}}" if caller.revoked_at else ""
        item("caller", f"{caller.email}, {caller.role.value}{ended}")
        item("scopes", caller.scope)
    if unread:
        item("database", f"cannot be read: {unread}")
    for mail in story.mails if story else ():
        last = f": {mail.last_error}" if mail.last_error else ""
        item("mail", f"{mail.template} {outcome(mail)}, attempts {mail.attempts}{last}")
    for event in story.events if story else ():
        detail = f" {event.detail}" if event.detail else ""
        item("audit", f"{event.event} {event.outcome}{detail}")
    for line in others:
        rest = {name: line[name] for name in line if not shown(name)}
        item("log", f"{line['level']} {line['event']} {rest or ''}")
        if trace := line.get("exception"):
            output.out(trace)


def show_request(line: Mapping[str, Any]) -> None:
    status, took = line["status_code"], line["duration_ms"]
    output.print(f"{line['method']} {line['path']}: {status} in {took:.1f} ms")
    item("time", line["timestamp"])
    item("route", line["route"])
    item("client", line["client_ip"])
    if trace := line.get("trace_id"):
        item("trace", f"{trace} {line.get('span_id', '')}")
        if url := get_settings().trace_url:
            item("", url.replace("{trace_id}", trace))
    if error := line.get("error_type"):
        item("error", error)
    limits = ", ".join(line.get("rate_limit_violated", ()))
    item("limiter", f"{line.get('rate_limit', 'allowed')} {limits}")
    for name, key in (("user", "user_id"), ("session", "session_id")):
        item(name, line.get(key, "none"))
    item("database", f"{line['db_queries']} statements, {line['db_ms']:.1f} ms")
    for each in line.get("db_statements", ()):
        rows = "" if each["rows"] is None else f", rows {each['rows']}"
        item("SQL", f"{each['ms']:.1f} ms{rows}: {each['sql']}")
    if waited := line.get("db_wait_ms"):
        item("connection", f"waited {waited:.1f} ms")
    if calls := line.get("redis_calls"):
        item("Redis", f"{calls} calls, {line['redis_ms']:.1f} ms")
    received, sent = line["http_request_body_size"], line["http_response_body_size"]
    item("bytes", f"{received} in, {sent} out")
    if answer := line.get("idempotency"):
        item("key", f"answer {answer}")
    service = f"{line.get('service_name')} {line.get('service_version')}"
    host, pid = line.get("service_instance_id"), line.get("process_pid")
    item("served by", f"{service} on {host}, process {pid}")


def shown(name: str) -> bool:
    return name in SHOWN or name.startswith(("service_", "deployment_", "process_"))


def item(name: str, text: str) -> None:
    output.print(f"  {name:<10} {text.rstrip()}")
