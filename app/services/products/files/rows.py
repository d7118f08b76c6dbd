"""The rows of product files: NDJSON and CSV, read strictly, as they arrive."""

import csv
import json
import re
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.core.errors import own_words
from app.schemas.product_import import FileFormat, ProductRow
from app.services.products.files.records import MAX_LINE, split_lines

COLUMNS = ProductRow.model_fields
REQUIRED = [name for name, field in COLUMNS.items() if field.is_required()]
_TEXTS = (str, Decimal)  # what is a string in JSON
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n']")  # noqa: RUF001 - Excel runs these, too
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class LineInvalid(Exception):
    """A line that is not a product."""

    def __init__(self, code: str, message: str, pointer: str = "#") -> None:
        super().__init__(message)
        self.faults = [{"pointer": pointer, "code": code, "message": message}]

    def explain(self, words: str) -> None:
        self.faults[0]["message"] += " " + words


Reader = Callable[[bytes], ProductRow]


def read_json(text: bytes) -> ProductRow:
    """Raises `ValidationError`, or `LineInvalid` for what only strict readers see."""
    product = ProductRow.model_validate_json(text)
    fields = product.__dict__
    texts = sum(isinstance(fields[name], _TEXTS) for name in product.model_fields_set)
    quotes = 2 * (len(product.model_fields_set) + texts)
    # More quotes than that belong to a member that is there twice, or are escaped.
    if text.count(b'"') != quotes or b"\\u0000" in text:
        _check(json.loads(text, object_pairs_hook=list))
    return product


def _check(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise LineInvalid("body_malformed", "A member is there twice.")
    for name, value in members:
        if isinstance(value, str) and "\0" in value:
            raise LineInvalid("nul_character", "Text may not hold NUL.", f"#/{name}")


class CsvReader:
    """Reads rows below a header that names the columns, in any order."""

    def __init__(self, header: bytes) -> None:
        self.names = _cells(header.removeprefix(b"\xef\xbb\xbf"))
        named = set(self.names)
        if len(named) < len(self.names) or not named.issuperset(REQUIRED):
            required = ", ".join(REQUIRED)
            raise LineInvalid(
                "header_invalid",
                f"The header, which is the first line, must name once {required}.",
            )
        if not named.issubset(COLUMNS):
            known = ", ".join(COLUMNS)
            raise LineInvalid("header_invalid", f"The header may only name {known}.")

    def __call__(self, text: bytes) -> ProductRow:
        cells = _cells(text)
        if len(cells) != len(self.names):
            raise LineInvalid("row_malformed", "The row has not the header's columns.")
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
            raise LineInvalid("nul_character", "Text may not hold NUL.")
        return next(csv.reader([decoded], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise LineInvalid("row_malformed", "The row is not CSV in UTF-8.") from None


def defused(cell: str) -> str:
    """Keep a spreadsheet from running the cell as a formula."""
    return "'" + cell if _FORMULA.match(cell) else cell


def plain(cell: str) -> str:
    """Undo `defused`."""
    return cell[1:] if cell[0] == "'" and _FORMULA.match(cell, 1) else cell


async def read_products(
    chunks: AsyncIterator[bytes], format_: FileFormat
) -> AsyncIterator[list[tuple[int, ProductRow | list[dict[str, str]]]]]:
    """What each line holds, a product or its faults, some lines at a time."""
    read: Reader | None = read_json if format_ == "ndjson" else None
    async for lines in split_lines(chunks, quoted=format_ == "csv"):
        found: list[tuple[int, ProductRow | list[dict[str, str]]]] = []
        for number, last, text in lines:
            try:
                if text is None:
                    raise LineInvalid(
                        "line_too_long", f"A row may have {MAX_LINE} bytes."
                    )
                if not text or text.isspace():
                    continue
                if read is None:
                    read = CsvReader(text)
                else:
                    found.append((number, read(text)))
            except ValidationError as error:
                found.append((number, _faults(error)))
            except LineInvalid as error:
                if last > number:
                    error.explain(f"It goes on to line {last}: is a quote missing?")
                found.append((number, error.faults))
                if read is None:
                    yield found
                    return  # without its header the file means nothing
        yield found


def _faults(error: ValidationError) -> list[dict[str, str]]:
    return [
        {
            "pointer": "#" + "".join(f"/{part}"[:100] for part in fault["loc"][:1]),
            "code": fault["type"],
            "message": own_words(fault["msg"]).replace("at line 1 column", "at column"),
        }
        for fault in error.errors(
            include_url=False, include_input=False, include_context=False
        )
    ]
