"""The rules for revisions: those of squawk, and our own where squawk finds nothing.

Squawk reads the SQL that a revision prints for PostgreSQL. A revision that breaks a
rule on purpose says so in a line of its own, with the reason:

    # safety: ban-drop-column: no release since 1.4 reads it
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

SQUAWK = Path(sys.executable).with_name("squawk")
# These rules are not needed. For example, `db upgrade` sets lock_timeout, and runs each
# revision once, in a transaction.
EXCLUDED = (
    "require-lock-timeout,require-statement-timeout,prefer-robust-stmts,"
    "prefer-text-field,prefer-bigint-over-int,prefer-identity"
)
ALLOWED = re.compile(r"^\s*# safety: ([a-z-]+): \S", re.MULTILINE)
# Squawk does not refuse these.
OURS = {
    "backfill-in-revision": (
        r";\n\s*\n\s*(UPDATE|DELETE FROM)\b",
        "Change rows outside of the revision, in batches: a revision locks them all.",
    ),
    "small-key": (
        r"\b(SMALL)?SERIAL\b|\b(INTEGER|SMALLINT)\b[^,]*\bPRIMARY KEY\b",
        "Use a BigInteger or a UUID as primary key: integers run out.",
    ),
}


@dataclass(frozen=True)
class Finding:
    file: Path
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file.name}: {self.rule}: {self.message}"


def lint(files: Sequence[Path]) -> list[Finding]:
    found = [*of_all(files)]
    allowed = {file: {*ALLOWED.findall(file.read_text())} for file in files}
    return sorted(
        {each for each in found if each.rule not in allowed[each.file]},
        key=lambda each: (each.file, each.rule, each.message),
    )


def of_all(files: Sequence[Path]) -> Iterator[Finding]:
    with TemporaryDirectory() as directory:
        printed = {}
        for number, file in enumerate(files):
            yield from of_downgrade(file)
            try:
                sql = print_sql(file)
            except Exception as error:  # each error means that there is no SQL to check
                message = f"No SQL to check: a revision must read no results. {error!r}"
                yield Finding(file, "no-sql", message)
                continue
            yield from of_ours(file, sql)
            path = Path(directory, f"{number}.sql")
            path.write_text(sql)
            printed[str(path)] = file
        if printed:
            yield from of_squawk(printed)


def print_sql(file: Path) -> str:
    spec = spec_from_file_location(f"revision_{file.stem}", file)
    assert spec  # noqa: S101 - for mypy
    assert spec.loader  # noqa: S101 - for mypy
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    buffer = StringIO("BEGIN;\n\n")
    buffer.seek(0, 2)
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer}
    )
    with Operations.context(context):
        module.upgrade()
    return f"{buffer.getvalue()}\nCOMMIT;\n"


def of_squawk(printed: dict[str, Path]) -> Iterator[Finding]:
    line = [str(SQUAWK), "--reporter=json", f"--exclude={EXCLUDED}", *printed]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    if not ended.stdout:
        raise RuntimeError(f"squawk failed: {ended.stderr}")
    for each in json.loads(ended.stdout):
        message = " ".join(each["message"].split())
        yield Finding(printed[each["file"]], each["rule_name"], message)


def of_ours(file: Path, sql: str) -> Iterator[Finding]:
    for rule, (pattern, message) in OURS.items():
        if re.search(pattern, sql, re.IGNORECASE | re.MULTILINE):
            yield Finding(file, rule, message)


def of_downgrade(file: Path) -> Iterator[Finding]:
    functions = {
        node.name: [
            each
            for each in node.body
            if not isinstance(each, ast.Pass)
            and not (
                isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            )
        ]
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    if functions.get("upgrade") and not functions.get("downgrade"):
        message = "Write a downgrade, or say why there is none."
        yield Finding(file, "no-downgrade", message)
