from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from app.cli.console import (
    binary_stdout,
    errors,
    existing,
    fail,
    output,
    progress,
    run,
)
from app.core.config import Settings, get_settings

group = typer.Typer(name="products", help="Import and export products.")

Format = Literal["ndjson", "csv"]
CHUNK = 65_536
MODES = "strict imports all rows or none; partial imports the valid rows."


@group.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV if it ends in .csv, else NDJSON."
        ),
    ],
    mode: Annotated[Literal["strict", "partial"], typer.Option(help=MODES)] = "strict",
) -> None:
    """Create products from a file, and update those whose SKU exists.

    An interrupted import changes nothing. Run it again.
    """
    run(import_file(existing(get_settings()), file, file.stat().st_size, mode))


@group.command()
def export(
    format_: Annotated[
        Format, typer.Option("--format", help="Format of the output.")
    ] = "ndjson",
) -> None:
    """Write all products to stdout, as one consistent snapshot."""
    run(export_all(existing(get_settings()), format_, binary_stdout()))


async def import_file(
    settings: Settings, file: Path, size: int, mode: Literal["strict", "partial"]
) -> None:
    from app.db.session import Database, transaction
    from app.services.products.importing import (
        ImportRejected,
        ProductFile,
        ProductImport,
    )

    report = None
    format_: Format = "csv" if file.suffix.lower() == ".csv" else "ndjson"
    try:
        async with (
            Database(settings) as database,
            progress() as shown,
            transaction(database) as session,
        ):

            async def chunks() -> AsyncIterator[bytes]:
                with file.open("rb") as content:
                    while chunk := content.read(CHUNK):
                        yield chunk
                        shown.advance(len(chunk))

            shown.begin("Reading", size or None, "bytes")  # a pipe has no size
            with closing(ProductFile(mode)) as read:
                await read.read(chunks(), format_)
                read.check()
                shown.begin(f"Storing {len(read.rows)} rows")
                report = await ProductImport(session).store(read, actor_id=None)
    except ImportRejected as error:
        for fault in error.errors:
            show(fault["line"], fault["pointer"], fault["message"])
        fail(error.detail)
    except CancelledError:
        if report:
            fail("Interrupted during the commit. Import the file again to be sure.")
        fail("Interrupted. Nothing was imported.")
    for found in report.errors:
        show(found.line, found.pointer, found.message)
    output.print(
        f"Created {report.created}, updated {report.updated}, failed {report.failed}."
    )
    if report.failed:
        raise typer.Exit(1)


def show(line: int, pointer: str, message: str) -> None:
    errors.print(f"Line {line}: {pointer} {message}")


async def export_all(settings: Settings, format_: Format, file: BinaryIO) -> None:
    from app.db.session import Database
    from app.services.products.exporting import export_products

    async with Database(settings) as database:
        async for chunk in export_products(database, format_):
            file.write(chunk)
        file.flush()
