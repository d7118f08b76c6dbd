"""Adds a resource: its own files, and its lines in the files of all resources."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill as wrap

from scaffold import behaviour, checks, names, resource, revisions
from scaffold.fields import Field
from scaffold.names import Names
from scaffold.parsing import parse
from scaffold.refusal import Refused
from scaffold.resource import Resource, fill, lines

WIDTH = 88  # characters of a line


@dataclass(frozen=True)
class Line:
    """A line to add to a registry, a file in which each resource has its own lines.

    The line goes directly below the line `below`, or to the end if `below` is empty.
    """

    file: str
    text: str
    below: str = ""


@dataclass
class Addition:
    files: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


def plan(
    root: Path,
    singular: str,
    fields: Sequence[str],
    *,
    plural: str | None = None,
    owned: bool = False,
    example: bool = False,
) -> Addition:
    """Work out what to write. Nothing is written.

    An `example` is only shown in the documentation. So it can have the name of a
    resource that exists.

    Raises:
        Refused: A name or a field is not possible.
    """
    chosen = names.choose(singular, plural)
    if not example:
        chosen.refuse_taken(root)
    parsed = parse(fields, singular)
    tables = {
        each.name: _table(root, chosen, each.arguments[0])
        for each in parsed
        if each.kind == "ref"
    }
    new = Resource(chosen, parsed, owned, tables)
    addition = Addition(_files(root, new), _lines(new))
    for path, text in addition.files.items():
        if path.endswith(".py"):
            addition.files[path] = formatted(root, path, text)
    return addition


def write(root: Path, addition: Addition) -> None:
    for path, text in addition.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for line in addition.lines:
        (root / line.file).write_text(inserted((root / line.file).read_text(), line))


def inserted(text: str, line: Line) -> str:
    """Insert a line. Raises `Refused` if the registry has no line `below`."""
    if not line.below:
        return text + line.text
    rows = text.splitlines(keepends=True)
    try:
        at = rows.index(f"{line.below}\n")
    except ValueError:
        raise Refused(f"{line.file} has no line `{line.below}`.") from None
    rows.insert(at + 1, f"{line.text}\n")
    return "".join(rows)


def _table(root: Path, own: Names, singular: str) -> str:
    if singular == own.singular:
        return own.plural
    file = root / f"app/db/models/{singular}.py"
    found = file.exists() and re.search(r'__tablename__ = "(\w+)"', file.read_text())
    if not found:
        raise Refused(f"There is no resource {singular} to refer to.")
    return found[1]


def _files(root: Path, new: Resource) -> dict[str, str]:
    singular, plural = new.names.singular, new.names.plural
    released, own = revisions.heads(root)
    name = revisions.new_name()
    header = revisions.header(name, own, released)
    return {
        f"app/db/models/{singular}.py": resource.model(new),
        f"app/schemas/{singular}.py": resource.schema(new),
        f"app/services/{plural}.py": behaviour.service(new),
        f"app/api/v1/endpoints/{plural}.py": behaviour.endpoints(new),
        f"{revisions.OWN}/{name}_{plural}.py": resource.revision(new, header),
        f"tests/api/{plural}/__init__.py": "",
        f"tests/api/{plural}/test_{plural}.py": checks.tests(new),
        f"tests/api/{plural}/test_query_plans.py": checks.query_plans(new),
        f"docs/{plural}.md": _page(new),
    }


def _lines(new: Resource) -> list[Line]:
    plural = new.names.plural
    words = new.words()
    roles = "app/services/accounts/roles.py"
    scope = f'    "{new.scope}",'
    router = "app/api/v1/router.py"
    opening = "from app.api.v1.endpoints import ("
    return [
        Line(router, f"    {plural},", opening),
        Line(router, f"    {plural}.router,", "ROUTERS = ("),
        Line(roles, scope, "USER_SCOPES = [" if new.owned else "    *USER_SCOPES,"),
        Line(
            "docs/README.md", f"- [{words['Words']}]({plural}.md): fields and lists\n"
        ),
        Line("schemathesis.toml", fill("schemathesis.toml.txt", **words)),
    ]


def _page(new: Resource) -> str:
    plural = new.names.plural
    rows = [
        f"| `{plural}.{each.name}` | {_type(each)} | "
        f"{'optional' if each.optional or each.default is not None else 'required'} |"
        for each in new.fields
    ]
    filters = [
        name
        for each in new.fields
        if each.filter
        for name in (
            (f"`min_{each.name}`", f"`max_{each.name}`")
            if each.filter == "range"
            else (f"`{each.name}`",)
        )
    ]
    clients, writers = ("Users", "they")
    if not new.owned:
        clients, writers = ("Clients with an account", "editors")
    sorts = ", ".join(f"`{name}`" for name in new.sortable)
    return fill(
        "page.md.txt",
        **new.words(),
        introduction=wrap(
            f"{clients} read {new.words()['words']} at `/{new.path}`, and {writers} "
            f"change them with the scope `{new.scope}`.",
            WIDTH,
        ),
        rows=lines(rows, 0),
        listing=wrap(
            f"A list is sorted by {sorts}, in both directions. "
            f"Filters: {', '.join(filters) or 'none'}.",
            WIDTH,
        ),
    )


def _type(each: Field) -> str:
    unique = ", unique" if each.unique else ""
    arguments = f" ({', '.join(each.arguments)})" if each.arguments else ""
    return f"{each.kind}{arguments}{unique}"


def formatted(root: Path, path: str, code: str) -> str:
    """Remove unused imports, sort the others, and format.

    Raises:
        Refused: ruff is not installed.
    """
    for line in (
        ("check", "--fix", "--quiet", "--select", "F401,I,E303,W", "--exit-zero"),
        ("format", "--quiet"),
    ):
        code = _ruff(root, path, code, *line)
    # ruff cannot split every line that long names make too long.
    return re.sub(f"^.{{{WIDTH + 1},}}$", r"\g<0>  # noqa: E501", code, flags=re.M)


def _ruff(root: Path, path: str, code: str, *line: str) -> str:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            *line,
            "--no-cache",
            "--stdin-filename",
            path,
            "-",
        ],
        cwd=root,
        input=code,
        text=True,
        capture_output=True,
        check=False,
    )
    if "No module named ruff" in ended.stderr:
        raise Refused("ruff is not installed. Run `make check`, which installs it.")
    if ended.returncode:
        raise RuntimeError(f"{path}: {ended.stderr}")
    return ended.stdout
