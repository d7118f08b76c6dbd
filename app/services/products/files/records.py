"""Splits a file into records while the file arrives."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

MAX_LINE = 65_536
# The last group is the closing quote, if there is one. In a cell, "" means a quote.
_REST_OF_CELL = re.compile(rb'[^"]*(?:""[^"]*)*("?)')
_QUOTED_CELL = re.compile(rb'(?:^|,)"' + _REST_OF_CELL.pattern)


class Line(NamedTuple):
    """A record, which in CSV can span several lines of the file."""

    number: int
    last: int
    text: bytes | None  # None if the record is longer than MAX_LINE


async def split_lines(
    chunks: AsyncIterator[bytes], *, quoted: bool = False
) -> AsyncIterator[Line]:
    """Yield each record as soon as it ends. If `quoted`, a quoted cell can span lines.

    Each byte is read once, even if a record spans many lines or chunks.
    """
    first = number = 1  # the first line of the record, and the line being read
    record: list[bytes] = []  # the lines before the line being read
    pieces: list[bytes] = []  # the parts of the line being read
    size, inside = 0, False
    async for chunk in chunks:
        for nth, piece in enumerate(chunk.split(b"\n")):
            if nth > 0:
                record.append(b"".join(pieces))
                pieces = []
                inside = quoted and ends_inside_quotes(record[-1], inside=inside)
                if inside and size <= MAX_LINE:
                    size += 1
                else:
                    yield _line(first, number, record, size)
                    first, record, size, inside = number + 1, [], 0, False
                number += 1
            size += len(piece)
            if size > MAX_LINE:
                record, pieces = [], []
            else:
                pieces.append(piece)
    if size:
        begun = b"".join(pieces)  # empty if the file ends with a line break
        last = number if begun else number - 1
        yield _line(first, last, [*record, begun], size)


def _line(first: int, last: int, record: list[bytes], size: int) -> Line:
    return Line(first, last, None if size > MAX_LINE else b"\n".join(record))


def ends_inside_quotes(line: bytes, *, inside: bool) -> bool:
    """Say whether the line ends in a quoted cell. `inside`: whether it begins in one.

    A quote opens a cell only where the cell begins: `5" nail` is text.
    """
    if b'"' not in line:
        return inside
    begun = _REST_OF_CELL.match(line) if inside else None
    if begun and not begun[1]:
        return True
    open_ = False
    for cell in _QUOTED_CELL.finditer(line, begun.end() if begun else 0):
        open_ = not cell[1]
    return open_
