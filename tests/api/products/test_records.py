"""Splitting the bytes of a file into records."""

import asyncio
import csv
from collections.abc import AsyncIterator
from itertools import product
from time import process_time

import pytest

from app.services.products.files.records import MAX_LINE, Line, split_lines

FILE = b'a,"b\n\n""c",d\r\n\n' + b'"' + b"x\n" * MAX_LINE + b'1,"2\n3"\n' + b"end"


def split(content: bytes, size: int) -> list[Line]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    async def read() -> list[Line]:
        return [line async for line in split_lines(chunks(), quoted=True)]

    return asyncio.run(read())


def seconds(content: bytes, size: int) -> float:
    """Return the time of the fastest of five runs, because the machine can be busy."""
    taken = []
    for _ in range(5):
        started = process_time()
        split(content, size)
        taken.append(process_time() - started)
    return min(taken)


@pytest.mark.parametrize("size", [1, 2, 3, 1000, MAX_LINE])
def test_the_size_of_the_chunks_makes_no_difference(size: int) -> None:
    """Mutant: end a record at MAX_LINE, before its line ends."""
    whole = split(FILE, len(FILE))

    assert whole[0] == Line(1, 3, b'a,"b\n\n""c",d\r')
    assert whole[1] == Line(4, 4, b"")
    assert (whole[2].number, whole[2].text) == (5, None)
    assert whole[-2].text == b'1,"2\n3"'
    assert whole[-1] == Line(MAX_LINE + 7, MAX_LINE + 7, b"end")
    assert split(FILE, size) == whole


def test_records_begin_on_the_same_lines_as_in_csv_reader() -> None:
    """Mutants: count every quote; ignore doubled quotes; ignore commas."""
    for length in range(1, 7):
        for characters in product('a,"\n', repeat=length):
            text = "".join(characters)
            rows = csv.reader(text.splitlines(keepends=True))
            begin = [1, *(rows.line_num + 1 for _ in rows)][:-1]

            found = split(text.encode(), length)
            assert [line.number for line in found] == begin, text


@pytest.mark.parametrize(
    ("record", "size"),
    [
        (b'"' + b"\n" * MAX_LINE, MAX_LINE),
        (b'"' + b"\n" * MAX_LINE, 1),
        (b"x" * MAX_LINE, 1),
    ],
    ids=["many lines", "many lines and chunks", "many chunks"],
)
def test_the_time_grows_linearly_with_the_length_of_a_record(
    record: bytes, size: int
) -> None:
    """Mutant: count the quotes of the whole record again at each of its lines."""
    eighth, whole = seconds(record[: MAX_LINE // 8], size), seconds(record, size)

    assert whole < 24 * eighth
