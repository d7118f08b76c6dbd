"""The project's name and licence, which pyproject.toml repeats."""

from importlib.metadata import PackageNotFoundError, version

NAME = "nightproof"
TITLE = "Nightproof"
LICENSE = "MIT"
# The release whose default settings the service keeps. Empty: the newest release.
DEFAULTS = ""
try:
    VERSION = version(NAME)
except PackageNotFoundError:  # the package is on the path without being installed
    VERSION = "0"
