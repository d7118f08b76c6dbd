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

group = typer.Typer(name="products", help="Import and export of all products.")

Format = Literal["ndjson", "csv"]
CHUNK = 65_536
MODES = "strict: all rows or none; partial: the valid rows."


@group.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON, or *.csv.")
    ],
    mode: Annotated[Literal["strict", "partial"], typer.Option(help=MODES)] = "strict",
) -> None:
    """Create products from a file, or update those whose SKU is known.

    An import that ends early has changed nothing: start it again.
    """
    run(import_file(existing(get_settings()), file, file.stat().st_size, mode))


@group.command()
def export(
    format_: Annotated[Format, typer.Option("--format")] = "ndjson",
) -> None:
    """Write all products to stdout."""
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

            shown.begin("Reading", size or None)  # a pipe has no size
            on_postgres = database.writer.dialect.name == "postgresql"
            with closing(ProductFile(mode)) as read:
                await read.read(chunks(), format_)
                read.check()
                shown.begin(f"Storing {len(read.rows)} rows")
                imports = ProductImport(session, on_postgres=on_postgres)
                report = await imports.store(read, actor_id=None)
    except ImportRejected as error:
        for fault in error.errors:
            show(fault["line"], fault["pointer"], fault["message"])
        fail(error.detail)
    except CancelledError:
        if report:
            fail("interrupted while it was committed: import it again to be sure.")
        fail("interrupted: nothing was imported.")
    for found in report.errors:
        show(found.line, found.pointer, found.message)
    output.print(
        f"Created {report.created}, updated {report.updated}, failed {report.failed}."
    )
    if report.failed:
        raise typer.Exit(1)


def show(line: int, pointer: str, message: str) -> None:
    errors.print(f"line {line}: {pointer} {message}", markup=False)


async def export_all(settings: Settings, format_: Format, file: BinaryIO) -> None:
    from app.db.session import Database
    from app.services.products.exporting import export_products

    async with Database(settings) as database:
        async for chunk in export_products(database, format_):
            file.write(chunk)
        file.flush()
