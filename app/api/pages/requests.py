"""The page that shows developers the last requests of this process."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse

from app.api.dependencies import StateDep
from app.api.pages import POLICY, add_endpoints, templates
from app.api.rate_limits import unlimited
from app.core.recent import Recent, RecentRequests
from app.services.story import outcome, read_mails

PATH = "/dev/requests"
REASON = "It exists only in development."


def add_recent_requests(app: FastAPI, recent: RecentRequests) -> None:
    @unlimited(REASON)
    async def requests(state: StateDep) -> HTMLResponse:
        ids = [id_ for each in recent for id_ in each.line.get("mails", ())]
        rows = await read_mails(state.database.read, ids)
        mails = {str(row.id): f"{row.template} {outcome(row)}" for row in rows}
        shown = [describe(each, mails) for each in recent]
        template = templates().get_template("requests.html")
        page = template.render(root="../", title="Last requests", requests=shown)
        return HTMLResponse(page, headers={**POLICY, "Cache-Control": "no-store"})

    add_endpoints(app, {PATH: requests}, REASON)


def describe(recent: Recent, mails: dict[str, str]) -> dict[str, Any]:
    line, context = recent.line, recent.context
    ago = timedelta(seconds=recent.seconds_ago)
    return {
        "line": line,
        "at": (datetime.now(UTC) - ago).strftime("%H:%M:%S"),
        "statements": context.statements or (),
        "events": context.events or (),
        "mails": [mails.get(id_, f"{id_} is gone") for id_ in line.get("mails", ())],
    }
