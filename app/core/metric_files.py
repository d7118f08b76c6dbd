"""The files through which the workers of one instance share their metrics.

Gunicorn's master makes the directory and outlives the workers. The master imports this
module, so this module must not import the metrics: new workers would inherit their
values.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.identity import NAME

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it on import
PREFIX = f"{NAME}-metrics-"
MEMORY = Path("/dev/shm")  # noqa: S108 - with a new directory of our own


def directory() -> Path | None:
    """Return None in a process that shares its metrics with no other."""
    path = os.environ.get(DIRECTORY)
    return Path(path) if path else None


def create_directory() -> None:
    """Make the directory of this instance. Delete those of masters that were killed."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for old in parent.glob(f"{PREFIX}*-*"):
        pid = old.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            # A directory of another user cannot be deleted, and stays.
            shutil.rmtree(old, ignore_errors=True)
    os.environ[DIRECTORY] = tempfile.mkdtemp(
        prefix=f"{PREFIX}{os.getpid()}-", dir=parent
    )


def delete_directory() -> None:
    if (path := directory()) is not None:
        shutil.rmtree(path, ignore_errors=True)


def bury(pid: int) -> None:
    """When a worker has ended, move its counters to one file and delete its files.

    Otherwise each restart would leave files, and every scrape would read them all.
    """
    from prometheus_client.mmap_dict import MmapedDict
    from prometheus_client.multiprocess import mark_process_dead

    if (path := directory()) is None:
        return
    with locked(path, fcntl.LOCK_EX):
        mark_process_dead(pid, str(path))  # type: ignore[no-untyped-call]
        for kind in ("counter", "histogram"):
            file = path / f"{kind}_{pid}.db"
            if not file.exists():
                continue
            total = MmapedDict(str(path / f"{kind}_ended.db"))  # type: ignore[no-untyped-call]
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                before, _ = total.read_value(key)  # type: ignore[no-untyped-call]
                total.write_value(key, before + value, 0)  # type: ignore[no-untyped-call]
            total.close()  # type: ignore[no-untyped-call]
            file.unlink()


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Keep the master from moving counters while a worker adds them up."""
    with (path / "lock").open("w") as file:
        fcntl.flock(file, how)
        yield
