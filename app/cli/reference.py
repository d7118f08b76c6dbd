"""The generated documentation: settings from their definitions, errors from theirs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app.cli import error_catalogue
from app.core.config import AppSettings, Settings

HEADER = "Written by `python -m app config reference`; change app/core/config.py."


def write(*, check: bool) -> list[Path]:
    """Write the files, or with `check` only say which would change."""
    files = {
        Path("docs/settings.md"): markdown(),
        Path(".env.example"): env_example(),
        Path("docs/errors.md"): error_catalogue.markdown(
            HEADER.partition(";")[0] + "; change the docstrings of the errors."
        ),
    }
    stale = [
        file
        for file, text in files.items()
        if not file.exists() or file.read_text() != text
    ]
    if not check:
        for file in stale:
            file.write_text(files[file])
    return stale


def markdown() -> str:
    lines = [
        "# Settings",
        "",
        f"<!-- {HEADER} -->",
        "",
        "Environment variables, or lines of `.env`; case does not matter, unknown",
        "names are ignored, durations are seconds unless the name says otherwise.",
        "`python -m app config check` says whether the service would start with them.",
    ]
    for group in groups():
        lines += ["", f"## {summary(group)}", ""]
        lines += ["| name | default | what it is |", "|---|---|---|"]
        for name, field in own_fields(group):
            bounds = " ".join(limits(field))
            text = " ".join(filter(None, [field.description, bounds]))
            lines.append(f"| `{name.upper()}` | {shown(field)} | {text} |")
    return "\n".join(lines) + "\n"


def env_example() -> str:
    lines = [f"# {HEADER}", "# Every setting with its default; uncomment to change."]
    for group in groups():
        lines += ["", f"# --- {summary(group)}"]
        for name, field in own_fields(group):
            text = " ".join(filter(None, [field.description, *limits(field)]))
            lines += ["", f"# {text}"] if text else [""]
            lines.append(f"# {name.upper()}={plain(field)}")
    return "\n".join(lines) + "\n"


def groups() -> list[type[BaseModel]]:
    bases = [base for base in Settings.__mro__ if issubclass(base, AppSettings)]
    return [base for base in reversed(bases) if base is not Settings]


def own_fields(group: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name in group.__annotations__:
        if name in group.model_fields:
            yield name, group.model_fields[name]


def summary(group: type[BaseModel]) -> str:
    return (group.__doc__ or "").splitlines()[0].rstrip(".")


def plain(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, SecretStr) or value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def shown(field: FieldInfo) -> str:
    text = plain(field)
    return f"`{text}`" if text else ""


def limits(field: FieldInfo) -> Iterator[str]:
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le")}
    for constraint in field.metadata:
        for kind, (sign, attribute) in signs.items():
            if isinstance(constraint, kind):
                yield f"{sign} {getattr(constraint, attribute)}"
    if get_origin(field.annotation) is Literal:
        yield "One of " + ", ".join(get_args(field.annotation)) + "."
