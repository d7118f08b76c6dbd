"""Import of many products in constant memory: all rows of a file, or the valid ones."""

from asyncio import Lock, sleep
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import MOST_FAULTS, InvalidRequest
from app.schemas.product import (
    FileFormat,
    ImportMode,
    ImportReport,
    LineFault,
)
from app.services.products.files.rows import read_products
from app.services.products.files.spool import Rows, Spool, spooled
from app.services.products.files.staging import PostgresStaging, SqliteStaging

BATCH = 2000
BATCH_BYTES = 2 << 20  # of the file: a row can have 64 KiB


class ImportRejected(InvalidRequest):
    """Some rows are not valid; nothing was imported.

    The problem has the members of a report: `created` and `updated`, both 0, `failed`
    and `errors`.
    """

    code = "import_rejected"

    def __init__(self, failed: int, faults: Sequence[LineFault]) -> None:
        super().__init__(
            f"Nothing was imported. Rows that are not valid: {failed}.",
            [fault.model_dump() for fault in faults],
        )
        report = {"created": 0, "updated": 0, "failed": failed}
        self.members = {**report, **self.members}


class ProductImport:
    """Creates the products of a file, or updates those whose SKU is known."""

    def __init__(self, session: AsyncSession, turn: Lock, *, on_postgres: bool) -> None:
        """All imports of a process share `turn`, so that only one has a connection."""
        self.session = session
        self.turn = turn
        self.new_staging = PostgresStaging if on_postgres else SqliteStaging
        self.failed = 0
        self.faults: list[LineFault] = []

    async def run(
        self,
        chunks: AsyncIterator[bytes],
        format_: FileFormat,
        mode: ImportMode,
        actor_id: UUID | None,
        on_read: Callable[[int], None] = lambda rows: None,
    ) -> ImportReport:
        """Raises `ImportRejected` when the mode is strict and a row is not valid."""
        created = updated = 0
        with closing(Spool()) as spool:
            await self._read(spool, chunks, format_, keep_going=mode == "partial")
            self._check(mode)
            if spool:  # without rows there is no need for a transaction
                on_read(len(spool))
                async with self.turn:
                    created, updated = await self._write(spool, mode, actor_id)
        faults = sorted(self.faults, key=lambda fault: fault.line)[:MOST_FAULTS]
        return ImportReport(
            created=created, updated=updated, failed=self.failed, errors=faults
        )

    async def _read(
        self,
        spool: Spool,
        chunks: AsyncIterator[bytes],
        format_: FileFormat,
        *,
        keep_going: bool,
    ) -> None:
        batch: Rows = []
        size = 0

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                yield chunk

        async for rows in read_products(measured(), format_):
            for line, row in rows:
                if isinstance(row, list):
                    self._fail(line, row)
                else:
                    batch.append(spooled(line, row))
            if self.failed and not keep_going:
                batch.clear()  # from now on the file is only read for its errors
            if len(batch) >= BATCH or (batch and size >= BATCH_BYTES):
                spool.add(batch)
                batch, size = [], 0
            await sleep(0)  # let other requests run: chunks can come without a pause
        if batch:
            spool.add(batch)

    async def _write(
        self, spool: Spool, mode: ImportMode, actor_id: UUID | None
    ) -> tuple[int, int]:
        staging = self.new_staging(self.session)
        await staging.fill(spool)
        count, lines = await staging.drop_repeated(MOST_FAULTS)
        self.failed += count
        self.faults += [LineFault(line=line, **REPEATED) for line in lines]
        self._check(mode)
        return await staging.upsert(actor_id)

    def _fail(self, line: int, faults: Sequence[dict[str, Any]]) -> None:
        self.failed += 1
        room = MOST_FAULTS - len(self.faults)
        self.faults += [LineFault(line=line, **fault) for fault in faults[:room]]

    def _check(self, mode: ImportMode) -> None:
        if self.failed and mode == "strict":
            raise ImportRejected(self.failed, self.faults)


REPEATED = {
    "pointer": "#/sku",
    "code": "sku_repeated",
    "message": "An earlier row has this SKU.",
}
