"""Programs that some tests use if they are installed."""

import os
import shutil
import sys
from pathlib import Path


def tool(name: str) -> str | None:
    """Find a program next to Python, where `make drill` installs it, or on the PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join([beside, os.environ["PATH"]]))
