import json
import os
from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Annotated, BinaryIO, Literal

import typer

from app.cli.console import (
    INTERRUPTED,
    awaited,
    binary_stdout,
    errors,
    existing,
    fail,
    output,
    progress,
)
from app.cli.lists import Json
from app.core.config import Settings, get_settings

group = typer.Typer(name="products", help="Import and export products.")

Format = Literal["ndjson", "csv"]
Mode = Literal["strict", "partial"]
CHUNK = 65_536
MODES = "strict imports all rows or none; partial imports the valid rows."


@group.command("import")
@awaited
async def import_(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="The file, or - for stdin.")
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Format of the file. Default: csv if its name ends in .csv, "
            "else ndjson.",
        ),
    ] = None,
    mode: Annotated[Mode, typer.Option(help=MODES)] = "strict",
    *,
    as_json: Json = False,
) -> None:
    """Create products from a file, and update those whose SKU exists.

    An interrupted import changes nothing. Run it again.
    """
    format_ = format_ or ("csv" if file.name.lower().endswith(".csv") else "ndjson")
    settings = existing(get_settings())
    size = os.fstat(file.fileno()).st_size
    await import_file(settings, file, size, format_, mode, as_json=as_json)


@group.command()
@awaited
async def export(
    format_: Annotated[
        Format, typer.Option("--format", help="Format of the output.")
    ] = "ndjson",
) -> None:
    """Write all products to stdout, as one consistent snapshot."""
    from app.db.session import Database
    from app.services.products.exporting import export_products

    file = binary_stdout()
    async with Database(existing(get_settings())) as database:
        async for chunk in export_products(database, format_):
            file.write(chunk)
        file.flush()


async def import_file(
    settings: Settings,
    file: BinaryIO,
    size: int,
    format_: Format,
    mode: Mode,
    *,
    as_json: bool,
) -> None:
    from app.db.session import Database, transaction
    from app.services.products.importing import (
        ImportRejected,
        ProductFile,
        ProductImport,
    )

    report = None
    try:
        async with (
            Database(settings) as database,
            progress() as shown,
            transaction(database) as session,
        ):

            async def chunks() -> AsyncIterator[bytes]:
                while chunk := file.read(CHUNK):
                    yield chunk
                    shown.advance(len(chunk))

            shown.begin("Reading", size or None, "bytes")  # a pipe has no size
            with closing(ProductFile(mode)) as read:
                await read.read(chunks(), format_)
                read.check()
                shown.begin(f"Storing {len(read.rows)} rows")
                products = ProductImport(session)
                report = await products.store(read, actor_id=None)
    except ImportRejected as error:
        if as_json:
            output.out(json.dumps(error.members))
            raise typer.Exit(1) from None
        for fault in error.errors:
            show(fault["line"], fault["pointer"], fault["message"])
        fail(error.detail)
    except CancelledError:
        if report:
            fail(
                "Interrupted during the commit. Import the file again to be sure.",
                INTERRUPTED,
            )
        fail("Interrupted. Nothing was imported.", INTERRUPTED)
    unchanged = products.staging.unchanged
    if as_json:
        counts = report.model_dump()
        counts |= {"updated": report.updated - unchanged, "unchanged": unchanged}
        output.out(json.dumps(counts))
    else:
        for found in report.errors:
            show(found.line, found.pointer, found.message)
        output.print(
            f"Created {report.created}, updated {report.updated - unchanged}, "
            f"unchanged {unchanged}, failed {report.failed}."
        )
    if report.failed:
        raise typer.Exit(1)


def show(line: int, pointer: str, message: str) -> None:
    errors.print(f"Line {line}: {pointer} {message}")
