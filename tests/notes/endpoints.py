"""A resource that only the tests mount, as `docs/adding-a-resource.md` builds one."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.api.authentication import caller_with
from app.api.conditional_requests import (
    ConditionalGetDep,
    ExpectedVersionDep,
    RequiredVersionDep,
    TaggedDep,
)
from app.api.dependencies import SessionDep, StateDep
from app.api.errors import documented
from app.api.idempotency import Idempotent
from app.api.media_types import media_type_of
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.api.streams import StreamedResponse
from app.api.uploads import upload
from app.core.tokens.cursor import CursorInvalid
from app.schemas.page import Page
from app.services.accounts.principal import Principal
from app.services.listing import RowPage
from app.state import AppState
from tests.notes.model import Note
from tests.notes.schemas import (
    NoteCreate,
    NoteLikes,
    NoteQuery,
    NoteRead,
    NoteUpdate,
    NoteUpload,
)
from tests.notes.service import (
    NoteDirectory,
    NoteNotFound,
    NoteService,
    TitleTaken,
)

Reader = Annotated[Principal, caller_with("account:read")]
Writer = Annotated[Principal, caller_with("account:write")]


class Exports(asyncio.Semaphore):
    """Lets exports use at most half of the connections that serve changes."""

    def __init__(self, state: AppState) -> None:
        super().__init__(max(1, state.settings.db_pool_size // 4))


async def get_note_directory(state: StateDep) -> NoteDirectory:
    return NoteDirectory(state.database.replica, state.cursors)


async def get_note_service(session: SessionDep) -> NoteService:
    return NoteService(session)


NoteDirectoryDep = Annotated[NoteDirectory, Depends(get_note_directory)]
NoteServiceDep = Annotated[NoteService, Depends(get_note_service)]

router = api_router("/notes", tags=["notes"], about="Notes of the caller.")

TEXT_TYPES = ("text/plain", "text/markdown")
TEXT = {name: {"schema": {"type": "string"}, "example": "Milk"} for name in TEXT_TYPES}


@router.get("", response_model=Page[NoteRead], responses=documented(CursorInvalid))
async def list_notes(
    reader: Reader, notes: NoteDirectoryDep, query: Annotated[NoteQuery, Query()]
) -> RowPage:
    """List your notes."""
    return await notes.page(reader.user_id, query)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=NoteRead,
    responses=documented(TitleTaken),
)
async def create_note(
    writer: Writer,
    _once: Idempotent,
    notes: NoteServiceDep,
    request: Request,
    response: Response,
    tagged: TaggedDep,
    data: NoteCreate,
) -> Note:
    """Write a note; its title is unique among yours."""
    note = tagged(await notes.create(writer.user_id, data))
    response.headers["Location"] = f"{request.url.path}/{note.id}"
    return note


@router.post(
    "/upload",  # before /notes/{note_id}
    status_code=HTTPStatus.CREATED,
    response_model=NoteRead,
    responses=documented(TitleTaken),
    openapi_extra={"requestBody": {"required": True, "content": TEXT}},
)
@upload(max_bytes="note_max_body_bytes", seconds="note_timeout_seconds")
async def upload_note(
    writer: Writer,
    _once: Idempotent,
    notes: NoteServiceDep,
    request: Request,
    query: Annotated[NoteUpload, Query()],
) -> Note:
    """Make a note of a text file."""
    media_type_of(request, TEXT_TYPES)
    file = await request.body()
    return await notes.upload(writer.user_id, query.title, file)


@router.get(
    "/export",
    status_code=HTTPStatus.OK,  # `StreamedResponse` has no default for FastAPI
    response_class=StreamedResponse,
    responses={200: {"description": "Your notes as one text.", "content": TEXT}},
)
@limited("all", cost=2, shown=True)
async def export_notes(
    reader: Reader, notes: NoteDirectoryDep, state: StateDep
) -> StreamedResponse:
    """Read all your notes as one file."""
    return StreamedResponse(
        notes.export(reader.user_id),
        state.single(Exports),
        state.settings.export_time,
        media_type="text/markdown",
    )


@router.get("/{note_id}", response_model=NoteRead, responses=documented(NoteNotFound))
async def read_note(
    reader: Reader,
    notes: NoteDirectoryDep,
    conditional: ConditionalGetDep,
    note_id: UUID,
) -> Any:
    """Read a note."""
    return conditional(await notes.get(reader.user_id, note_id))


@router.patch(
    "/{note_id}",
    response_model=NoteRead,
    responses=documented(NoteNotFound, TitleTaken),
)
async def update_note(
    writer: Writer,
    notes: NoteServiceDep,
    expected: RequiredVersionDep,
    tagged: TaggedDep,
    note_id: UUID,
    data: NoteUpdate,
) -> Note:
    """Change the fields you send, of the version you read (`If-Match`)."""
    return tagged(await notes.update(writer.user_id, note_id, expected, data))


@router.delete(
    "/{note_id}", status_code=HTTPStatus.NO_CONTENT, responses=documented(NoteNotFound)
)
async def delete_note(
    writer: Writer, notes: NoteServiceDep, expected: RequiredVersionDep, note_id: UUID
) -> None:
    """Delete the version of a note that you read (`If-Match`)."""
    await notes.delete(writer.user_id, note_id, expected)


@router.post(
    "/{note_id}/likes", response_model=NoteRead, responses=documented(NoteNotFound)
)
async def like_note(
    writer: Writer,
    _once: Idempotent,
    notes: NoteServiceDep,
    expected: ExpectedVersionDep,
    tagged: TaggedDep,
    note_id: UUID,
    likes: NoteLikes,
) -> Note:
    """Add likes to a note, or take some away."""
    return tagged(await notes.like(writer.user_id, note_id, expected, likes.delta))
