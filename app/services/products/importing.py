"""Imports many products in constant memory.

The mode `strict` imports all rows of a file or none; `partial` imports the valid rows.
"""

from asyncio import sleep
from collections.abc import AsyncIterator, Sequence
from time import perf_counter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import MOST_FAULTS, InvalidRequest
from app.schemas.product import (
    FileFormat,
    ImportMode,
    ImportReport,
    LineFault,
    ProductRow,
)
from app.services.audit import record
from app.services.products.files.rows import RowError, faults_of, read_products
from app.services.products.files.spool import Rows, Spool, spooled
from app.services.products.files.staging import PostgresStaging, SqliteStaging

BATCH = 2000
# A batch also ends at this size: 2000 rows of 64 KiB would need too much memory.
BATCH_BYTES = 2 << 20
# After this many bytes, other requests get a turn. Counting chunks is not enough,
# because a chunk can be large. Counting rows is not enough, because empty lines are not
# rows.
SLICE = 4096
TURN_SECONDS = 0.01  # other requests get a turn also after this time
# After this many invalid rows, a strict import does not parse the rest of the file.
MOST_FAILED = 10_000


class ImportRejected(InvalidRequest):
    """Some rows are not valid, so the service imported nothing.

    The answer also contains `failed`, the number of invalid rows, and `created` and
    `updated`, which are 0.
    """

    code = "import_rejected"

    def __init__(
        self, failed: int, faults: Sequence[LineFault], *, all_read: bool
    ) -> None:
        count = failed if all_read else f"at least {failed}"
        super().__init__(
            f"Nothing was imported. Invalid rows: {count}.",
            [fault.model_dump() for fault in faults],
        )
        report = {"created": 0, "updated": 0, "failed": failed}
        self.members = {**report, **self.members}


class ProductFile:
    """The rows of one file, read and checked before a transaction begins."""

    def __init__(self, mode: ImportMode) -> None:
        self.mode = mode
        self.rows = Spool()
        self.failed = 0
        self.faults: list[LineFault] = []

    async def read(self, chunks: AsyncIterator[bytes], format_: FileFormat) -> None:
        """Read the file, and let other requests run in between."""
        batch: Rows = []
        size = 0

        async def slices() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                for start in range(0, len(chunk), SLICE):
                    if self._is_hopeless:
                        # Receive the rest of the file, but do not parse it: many
                        # clients read the answer only after they have sent everything.
                        break
                    part = chunk[start : start + SLICE]
                    size += len(part)
                    yield part
                    await sleep(0)

        turn_ends = 0.0
        async for line, row in read_products(slices(), format_):
            if not isinstance(row, ProductRow):
                self._fail(line, row)
                if self.mode == "strict":
                    batch.clear()  # from now on, read the file only to report errors
            elif not self.failed or self.mode == "partial":
                batch.append(spooled(line, row))
            if len(batch) >= BATCH or (batch and size >= BATCH_BYTES):
                self.rows.add(batch)
                batch, size = [], 0
            if perf_counter() > turn_ends:
                await sleep(0)
                turn_ends = perf_counter() + TURN_SECONDS
        if batch:
            self.rows.add(batch)

    def drop_repeated(self, count: int, lines: Sequence[int]) -> None:
        self.failed += count
        self.faults += [LineFault(line=line, **REPEATED) for line in lines]

    def check(self) -> None:
        """Raise `ImportRejected` if the mode is strict and a row is not valid."""
        if self.failed and self.mode == "strict":
            raise ImportRejected(
                self.failed, self.faults, all_read=not self._is_hopeless
            )

    def close(self) -> None:
        self.rows.close()

    @property
    def _is_hopeless(self) -> bool:
        return self.failed >= MOST_FAILED and self.mode == "strict"

    def _fail(self, line: int, error: RowError) -> None:
        self.failed += 1
        if room := MOST_FAULTS - len(self.faults):
            found = faults_of(error)[:room]
            self.faults += [LineFault(line=line, **fault) for fault in found]


class ProductImport:
    """Creates the products of a file, or updates those whose SKU is known."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        on_postgres = session.get_bind().dialect.name == "postgresql"
        self.staging = (PostgresStaging if on_postgres else SqliteStaging)(session)

    async def store(self, file: ProductFile, actor_id: UUID | None) -> ImportReport:
        """Store the valid rows.

        Raises:
            ImportRejected: The mode is strict and a row is invalid. Nothing is stored.
        """
        file.check()
        created = updated = 0
        if file.rows:  # without rows, begin no transaction
            await self.staging.fill(file.rows)
            file.drop_repeated(*await self.staging.drop_repeated(MOST_FAULTS))
            file.check()
            created, updated = await self.staging.upsert(actor_id)
            record(
                self.session,
                "products.imported",
                None,
                actor=actor_id,
                created=created,
                updated=updated,
                failed=file.failed,
            )
        faults = sorted(file.faults, key=lambda fault: fault.line)[:MOST_FAULTS]
        return ImportReport(
            created=created, updated=updated, failed=file.failed, errors=faults
        )


REPEATED = {
    "pointer": "#/sku",
    "code": "sku_repeated",
    "message": "An earlier row has this SKU.",
}
