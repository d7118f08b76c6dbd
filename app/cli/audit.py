from typing import Annotated
from uuid import UUID

import typer

from app.cli.accounts import find_id, open_existing
from app.cli.console import awaited
from app.cli.lists import SECONDS, JsonLines, Limit, parse_filters, show_list

group = typer.Typer(name="audit", help="Read the audit trail.")


@group.command(name="list")
@awaited
async def list_(
    *,
    event: Annotated[
        str | None, typer.Option(help="Name of an event, such as auth.login.failure.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="E-mail address or id of the user whom the event is about."),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(help="E-mail address or id of the user who caused the event."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Events at or after this time: 2026-01-01T12:00:00Z."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Events before this time.")] = None,
    limit: Limit = 100,
    as_json: JsonLines = False,
) -> None:
    """List audit events of all accounts, newest first.

    `--subject` also accepts the id of any other object that an event is about.
    """
    from app.schemas.audit import AuditEventRead, AuditQuery
    from app.services.audit import AuditTrail

    query = parse_filters(AuditQuery, event=event, since=since, until=until)

    def line(found: AuditEventRead) -> str:
        return (
            f"{found.occurred_at:{SECONDS}}  {found.event}  {found.outcome}  "
            f"{found.subject_type} {found.subject_id}  "
            f"by {found.actor_id or found.actor_type}  from {found.ip or '-'}"
        )

    async with open_existing() as state:
        users: dict[str, UUID | None] = {
            "subject_id": await find_id(state, subject) if subject else None,
            "actor_id": await find_id(state, actor) if actor else None,
        }
        trail = AuditTrail(state.database.read, state.cursors)
        query = query.model_copy(update=users)
        await show_list(trail.page, query, limit, AuditEventRead, line, as_json=as_json)
