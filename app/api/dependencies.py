"""Dependencies for every endpoint; those of one resource are in its endpoints file."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import transaction
from app.state import AppState


async def get_state(request: Request) -> AppState:
    state: AppState = request.app.state.shared
    return state


StateDep = Annotated[AppState, Depends(get_state)]


async def get_session(state: StateDep) -> AsyncGenerator[AsyncSession]:
    async with transaction(state.database) as session:
        yield session


# With the scope "function", the transaction ends before the response is sent, so that a
# failed commit answers 5xx. With the default, "request", it would end after the client
# has got a 2xx.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
