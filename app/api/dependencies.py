"""Dependencies for every endpoint; those of one resource are in its endpoints file."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import ReadSession, transaction
from app.services.mail.outbox import Outbox
from app.state import AppState


async def get_state(request: Request) -> AppState:
    state: AppState = request.app.state.shared
    return state


StateDep = Annotated[AppState, Depends(get_state)]


async def get_session(state: StateDep) -> AsyncGenerator[AsyncSession]:
    async with transaction(state.database) as session:
        yield session


async def get_read_session(state: StateDep) -> ReadSession:
    return state.database.read


# "function" ends the transaction before the response is sent, so that a failed
# commit answers 5xx; the default, "request", would end it after the client has its 2xx.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSessionDep = Annotated[ReadSession, Depends(get_read_session)]


async def get_outbox(session: SessionDep, state: StateDep) -> Outbox:
    return Outbox(session, state.mail_waits.set)


OutboxDep = Annotated[Outbox, Depends(get_outbox)]
