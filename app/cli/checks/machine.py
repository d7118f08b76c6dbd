"""The machine of this process: open files, memory, temporary files, the disk."""

import os
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from app.cli.checks import Finding, judge, refused
from app.cli.server import usable_cores
from app.core.config import Settings
from app.core.passwords.hashing import MEMORY_KIB

PAGE = "docs/operations.md#how-do-i-size-pools-workers-and-timeouts"
SPARE_FILES = 100
SPARE_SHARE = 0.1  # of the disk
HASHING_SHARE = 0.5  # of the memory, because the workers need the rest
MIB = 1024 * 1024
CGROUPS = Path("/sys/fs/cgroup")
# The memory limit of a container, in version 2 and in version 1 of cgroups.
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


async def check(settings: Settings) -> AsyncIterator[Finding]:
    needed = settings.max_connections + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= needed
    value, fix = f"{needed} of {hard}", "Raise `ulimit -Hn`, or lower MAX_CONNECTIONS."
    if enough:
        yield Finding("machine.open_files", "ok", value)
    else:
        yield Finding("machine.open_files", "failed", value, fix, PAGE)
    yield of_memory(settings)
    directories = [Path(tempfile.gettempdir())]
    try:
        with tempfile.TemporaryFile():
            yield Finding("machine.temporary", "ok", "writable")
    except OSError as error:
        fix = "Mount a writable TMPDIR: imports and gunicorn need it."
        yield refused("machine.temporary", error, fix, PAGE)
    if settings.on_sqlite:
        directories.append(settings.sqlite_file.parent)
    for directory in filter(Path.exists, directories):
        usage = shutil.disk_usage(directory)
        yield judge(
            "machine.disk",
            ok=usage.free >= SPARE_SHARE * usage.total,
            value=f"{usage.free / usage.total:.0%} of {directory} is free",
            fix="Free some space: a full disk stops every change.",
            link=PAGE,
        )


def of_memory(settings: Settings, cgroups: Path = CGROUPS) -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (cgroups / name for name in LIMITS):
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            memory = min(memory, int(text))
    workers = settings.web_concurrency
    hashes = workers * min(settings.password_hash_threads, usable_cores())
    needed = hashes * MEMORY_KIB * 1024
    return judge(
        "machine.memory",
        ok=needed <= HASHING_SHARE * memory,
        value=f"password hashes need up to {needed // MIB} of {memory // MIB} MiB, "
        f"with {workers} workers",
        fix="Lower PASSWORD_HASH_THREADS or WEB_CONCURRENCY, or add memory. Otherwise "
        "Linux can kill workers when many users log in at once.",
        link=PAGE,
    )
