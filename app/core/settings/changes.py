"""What releases change about settings: new defaults, and settings that go away.

A new default is an entry of `NEW_DEFAULTS`. A copy of the repository keeps the old
default until its setting DEFAULTS names the release of the new default, or a later
one. A setting that goes away causes a warning for at least one release: see "What may a
release change?" in docs/starting.md.
"""

import re
from dataclasses import dataclass

RELEASE = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class NewDefault:
    """From `release` on, the default of a setting is no longer `before`."""

    release: str
    setting: str
    before: object


@dataclass(frozen=True)
class Deprecation:
    """A setting that works until the release that removes it."""

    setting: str
    since: str
    until: str
    instead: str  # a sentence


# One entry a line, in the order of the releases.
NEW_DEFAULTS: tuple[NewDefault, ...] = ()
DEPRECATIONS: tuple[Deprecation, ...] = ()


def is_newer(release: str, than: str) -> bool:
    return _numbers(release) > _numbers(than)


def kept_defaults(release: str) -> dict[str, object]:
    """Return the defaults of a release that later releases changed, by setting."""
    kept: dict[str, object] = {}
    for change in NEW_DEFAULTS if RELEASE.fullmatch(release) else ():
        if is_newer(change.release, release):
            kept.setdefault(change.setting, change.before)
    return kept


def _numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]
