"""The checks of `doctor`. Each module has the checks of one concern.

A check yields its findings. If the dependency does not answer, the check yields a
finding with the result `failed`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from app.core.config import Settings

Result = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    name: str  # `concern.check`
    result: Result
    value: str  # never a secret
    fix: str = ""
    link: str = ""  # a page and a heading of the documentation


Check = Callable[[Settings], AsyncIterator[Finding]]


def judge(name: str, *, ok: bool, value: str, fix: str, link: str) -> Finding:
    """Make a finding: `ok`, or a warning with a fix and a link."""
    if ok:
        return Finding(name, "ok", value)
    return Finding(name, "warning", value, fix, link)


def refused(name: str, error: Exception, fix: str, link: str) -> Finding:
    from app.core.errors import explain

    said = explain(error)
    value = ": ".join(said[key] for key in ("reason", "message") if key in said)
    return Finding(name, "failed", value, fix, link)
