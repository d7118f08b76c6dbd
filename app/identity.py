"""The project's name, which pyproject.toml repeats as `name` and as the script."""

from importlib.metadata import PackageNotFoundError, version

NAME = "nightproof"
TITLE = "Nightproof"
try:
    VERSION = version(NAME)
except PackageNotFoundError:  # the package is on the path without being installed
    VERSION = "0"
