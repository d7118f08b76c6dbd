"""The machine of this process: open files, the temporary directory, the disk."""

import resource
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import make_url

from app.cli.checks import Finding, judge, refused
from app.core.config import Settings

PAGE = "docs/operations.md#how-do-i-size-pools-workers-and-timeouts"
SPARE_FILES = 100
SPARE_SHARE = 0.1  # of the disk


async def check(settings: Settings) -> AsyncIterator[Finding]:
    needed = settings.max_connections + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= needed
    yield Finding(
        "machine.open_files",
        "ok" if enough else "failed",
        f"{needed} of {hard}",
        "" if enough else "Raise `ulimit -Hn`, or lower MAX_CONNECTIONS.",
        "" if enough else PAGE,
    )
    directories = [Path(tempfile.gettempdir())]
    try:
        with tempfile.TemporaryFile():
            yield Finding("machine.temporary", "ok", "writable")
    except OSError as error:
        fix = "Mount a writable TMPDIR: imports and gunicorn need it."
        yield refused("machine.temporary", error, fix, PAGE)
    if settings.on_sqlite:
        directories.append(Path(make_url(settings.database_url).database or "").parent)
    for directory in filter(Path.exists, directories):
        usage = shutil.disk_usage(directory)
        yield judge(
            "machine.disk",
            ok=usage.free >= SPARE_SHARE * usage.total,
            value=f"{usage.free / usage.total:.0%} of {directory} is free",
            fix="Free some space: a full disk stops every change.",
            link=PAGE,
        )
