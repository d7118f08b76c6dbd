"""Reads the rows of product files (NDJSON or CSV) while the file arrives."""

import csv
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import ValidationError

from app.core.errors import InvalidRequest, json_pointer, own_words
from app.core.strict_json import BodyMalformed, parse
from app.schemas.product import FileFormat, ProductRow
from app.services.products.files.records import MAX_LINE, split_lines

COLUMNS = ProductRow.model_fields
REQUIRED = [name for name, field in COLUMNS.items() if field.is_required()]
# Where a cell begins. Some spreadsheets also split text at `;`, tabs or line ends.
_BEGIN = r"(?:^|(?<=[;,\t\r\n]))"
_FORMULA = r"(?=\"*[=+\-@＝＋－＠\t\r\n'])"  # noqa: RUF001 - Excel runs these as well
TO_DEFUSE = _BEGIN + _FORMULA
_TO_DEFUSE = re.compile(TO_DEFUSE)
_DEFUSED = re.compile(_BEGIN + "'" + _FORMULA)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class LineInvalid(Exception):
    """A line that is not a product."""

    def __init__(self, code: str, message: str, pointer: str = "#") -> None:
        super().__init__(message)
        self.faults = [{"pointer": pointer, "code": code, "message": message}]

    def explain(self, words: str) -> None:
        self.faults[0]["message"] += " " + words


Reader = Callable[[bytes], ProductRow]
RowError = ValidationError | LineInvalid


def read_json(text: bytes) -> ProductRow:
    """Read a row of NDJSON.

    Raises:
        ValidationError: The row is not a valid product.
        LineInvalid: Two JSON parsers could read the row differently, for example
            because a member is repeated.
    """
    product = ProductRow.model_validate_json(text)
    try:
        parse(text, COLUMNS)
    except BodyMalformed as error:
        raise LineInvalid(
            error.code, "The row must be valid JSON without repeated member names."
        ) from None
    except InvalidRequest as error:
        [fault] = error.errors
        raise LineInvalid(fault["code"], fault["message"], fault["pointer"]) from None
    return product


class CsvReader:
    """Reads the rows of a CSV file. The header names the columns, in any order."""

    def __init__(self, header: bytes) -> None:
        self.names = _cells(header.removeprefix(b"\xef\xbb\xbf"))
        named = set(self.names)
        if len(named) < len(self.names) or not named.issuperset(REQUIRED):
            required = ", ".join(REQUIRED)
            raise LineInvalid(
                "header_invalid",
                f"The first line must name each of these columns once: {required}.",
            )
        if not named.issubset(COLUMNS):
            known = ", ".join(COLUMNS)
            raise LineInvalid(
                "header_invalid",
                f"The first line can only name these columns: {known}.",
            )

    def __call__(self, text: bytes) -> ProductRow:
        cells = _cells(text)
        if len(cells) != len(self.names):
            raise LineInvalid(
                "row_malformed",
                f"Expected {len(self.names)} columns, found {len(cells)}.",
            )
        # An empty cell is an absent field.
        pairs = zip(self.names, cells, strict=True)
        values: dict[str, Any] = {name: plain(cell) for name, cell in pairs if cell}
        if _WHOLE_NUMBER.fullmatch(values.get("stock", "")):
            values["stock"] = int(values["stock"])
        return ProductRow.model_validate(values)


def _cells(text: bytes) -> list[str]:
    try:
        decoded = text.decode().removesuffix("\r")
        if "\0" in decoded:
            raise LineInvalid("nul_character", "Text must not contain NUL.")
        return next(csv.reader([decoded], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise LineInvalid("row_malformed", "The row is not CSV in UTF-8.") from None


def defused(cell: str) -> str:
    """Add an apostrophe where a spreadsheet would run the cell as a formula."""
    return _TO_DEFUSE.sub("'", cell)


def plain(cell: str) -> str:
    """Undo `defused`."""
    return _DEFUSED.sub("", cell)


async def read_products(
    chunks: AsyncIterator[bytes], format_: FileFormat
) -> AsyncIterator[tuple[int, ProductRow | RowError]]:
    """Yield the line of each row, and its product or its error."""
    read: Reader | None = read_json if format_ == "ndjson" else None
    async for number, last, text in split_lines(chunks, quoted=format_ == "csv"):
        try:
            if text is None:
                raise LineInvalid(
                    "line_too_long", f"A row must not exceed {MAX_LINE} bytes."
                )
            if not text or text.isspace():
                continue
            if read is None:
                read = CsvReader(text)
            else:
                yield number, read(text)
        except ValidationError as error:
            yield number, error
        except LineInvalid as error:
            if last > number:
                error.explain(f"It continues to line {last}. Is a quote missing?")
            yield number, error
            if read is None:
                return  # without a header the columns are unknown


def faults_of(error: RowError) -> list[dict[str, str]]:
    """Describe the faults of a row. This takes longer than finding them."""
    if isinstance(error, LineInvalid):
        return error.faults
    return [
        {
            "pointer": json_pointer(fault["loc"][:1], COLUMNS),
            "code": fault["type"],
            "message": own_words(fault["msg"]).replace("at line 1 column", "at column"),
        }
        for fault in error.errors(
            include_url=False, include_input=False, include_context=False
        )
    ]
