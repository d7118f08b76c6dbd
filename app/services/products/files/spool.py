"""A file that keeps the rows of an import until all of them have been read."""

import marshal
from collections.abc import Iterator
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import Any

from uuid_utils.compat import uuid7

from app.core.errors import AppError
from app.schemas.product import ProductRow
from app.services.products.search import search_columns

COLUMNS = (
    *("line", "id", "sku", "name", "description", "currency", "stock", "category"),
    *("status", "title_words", "category_words", "description_words", "price"),
)
FULL = {ENOSPC, EDQUOT, EFBIG}

Rows = list[tuple[Any, ...]]


class NoRoom(AppError):
    """The service has no disk space for the file."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "insufficient_storage"


class Spool:
    """Rows in a temporary file, so that no connection waits for a slow client."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._sizes: list[int] = []
        self._count = 0

    def add(self, rows: Rows) -> None:
        """Write a batch of rows. Raise `NoRoom` if the disk is full."""
        batch = marshal.dumps(rows)
        try:
            self._file.write(batch)
            self._file.flush()
        except OSError as error:
            if error.errno in FULL:
                raise NoRoom(
                    "The service has no disk space for this file. Try again later."
                ) from error
            raise
        self._sizes.append(len(batch))
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Rows]:
        """Yield the batches of `add`, in the same order."""
        self._file.seek(0)
        for size in self._sizes:
            yield marshal.loads(self._file.read(size))  # noqa: S302 - written by `add`

    def close(self) -> None:
        with suppress(OSError):  # the rows are not needed any more
            self._file.close()


def spooled(line: int, product: ProductRow) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for a product."""
    return (
        line,
        uuid7().hex,
        product.sku,
        product.name,
        product.description,
        product.currency,
        product.stock,
        product.category,
        product.status,
        *search_columns(product.__dict__).values(),
        str(product.price),
    )
