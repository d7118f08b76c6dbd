from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NotFound
from app.core.preconditions import ExpectedVersion
from app.core.tokens.cursor import CursorSigner
from app.db.reads import ReadSession
from app.services.listing import Listing, RowPage, both_ways
from tests.notes.model import Note
from tests.notes.schemas import NoteCreate, NoteQuery, NoteUpdate


class NoteNotFound(NotFound):
    """You have no such note."""

    code = "note_not_found"

    def __init__(self) -> None:
        super().__init__("You have no such note.")


class TitleTaken(Conflict):
    """You already have a note with this title."""

    code = "title_taken"


# A statement is built once, because building it takes longer than sending it.
NOTE = Note.__table__.c
OF_OWNER = select(*NOTE).where(NOTE.owner_id == bindparam("owner"))
SELECT_ONE = OF_OWNER.where(NOTE.id == bindparam("id"))
SELECT_BATCH = OF_OWNER.where(NOTE.id > bindparam("after")).order_by(NOTE.id).limit(100)
NOTES = Listing(
    OF_OWNER,
    both_ways(NOTE.created_at, NOTE.title, NOTE.budget, id=NOTE.id),
    {
        "max_budget": NOTE.budget <= bindparam("max_budget"),
        "liked": (NOTE.likes > 0) == bindparam("liked"),
    },
    name="notes of {owner}",
)


class NoteDirectory:
    """Notes as their owner reads them."""

    def __init__(self, read: ReadSession, cursors: CursorSigner) -> None:
        self.read = read
        self.cursors = cursors

    async def get(self, owner_id: UUID, note_id: UUID) -> Row[Any]:
        values = {"owner": owner_id, "id": note_id}
        note = await self.read.one_or_none(SELECT_ONE, values)
        if note is None:
            raise NoteNotFound
        return note

    async def page(self, owner_id: UUID, query: NoteQuery) -> RowPage:
        return await NOTES.page(self.read, self.cursors, query, owner=owner_id)

    async def export(self, owner_id: UUID) -> AsyncGenerator[bytes]:
        values = {"owner": owner_id, "after": UUID(int=0)}
        while notes := await self.read.all(SELECT_BATCH, values):
            for note in notes:
                yield f"# {note.title}\n\n{note.text}\n\n".encode()
            values["after"] = notes[-1].id
        yield b""  # an owner without notes gets an empty file


class NoteService:
    """Changes to notes, each by its owner."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def create(self, owner_id: UUID, data: NoteCreate) -> Note:
        return await self._add(Note(owner_id=owner_id, **data.model_dump()))

    async def upload(self, owner_id: UUID, title: str, file: bytes) -> Note:
        text = file.decode(errors="replace").replace("\0", "")
        return await self._add(Note(owner_id=owner_id, title=title, text=text))

    async def update(
        self,
        owner_id: UUID,
        note_id: UUID,
        expected: ExpectedVersion,
        data: NoteUpdate,
    ) -> Note:
        note = await self._lock(owner_id, note_id, expected)
        for field, value in data.model_dump(exclude_unset=True).items():
            setattr(note, field, value)
        await self._flush()
        return note

    async def like(
        self, owner_id: UUID, note_id: UUID, expected: ExpectedVersion, delta: int
    ) -> Note:
        note = await self._lock(owner_id, note_id, expected)
        note.likes += delta
        await self.session.flush()
        return note

    async def delete(
        self, owner_id: UUID, note_id: UUID, expected: ExpectedVersion
    ) -> None:
        await self.session.delete(await self._lock(owner_id, note_id, expected))
        await self.session.flush()

    async def _add(self, note: Note) -> Note:
        self.session.add(note)
        await self._flush()
        return note

    async def _flush(self) -> None:
        try:
            await self.session.flush()
        except IntegrityError as error:
            # The owner exists, so only the unique title can break a constraint.
            raise TitleTaken("You already have a note with this title.") from error

    async def _lock(
        self, owner_id: UUID, note_id: UUID, expected: ExpectedVersion
    ) -> Note:
        note = await self.session.get(Note, note_id, with_for_update=True)
        if note is None or note.owner_id != owner_id:
            raise NoteNotFound
        expected.check(note.version)
        return note
