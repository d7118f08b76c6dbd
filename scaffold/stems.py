"""Finds the files and lines of a resource or a feature. They all contain its stem."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffold.names import camel
from scaffold.refusal import Refused

# The registries: a resource has its own lines in these files.
REGISTRIES = (
    "app/api/accounts.py",
    "app/api/openapi/__init__.py",
    "app/api/openapi/headers.py",
    "app/api/openapi/problems.py",
    "app/api/pages/home.py",
    "app/api/pages/own_account.py",
    "app/api/pages/registry.py",
    "app/api/refresh_tokens.py",
    "app/api/routes.py",
    "app/api/second_factors.py",
    "app/api/v1/router.py",
    "app/bearers.py",
    "app/cli/__init__.py",
    "app/core/config.py",
    "app/core/log_fields.py",
    "app/core/metrics.py",
    "app/core/rate_limit/policies.py",
    "app/core/security.py",
    "app/demo/__init__.py",
    "app/schemas/audit.py",
    "app/schemas/auth.py",
    "app/schemas/second_factor.py",
    "app/services/accounts/roles.py",
    "bench/registry.py",
    "docs/README.md",
    "docs/mail.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/security.md",
    "pyproject.toml",
    "reference/own_account.py",
    "reference/pictures.py",
    "schemathesis.toml",
    "testbed/patience.py",
    "tests/api/pages/test_home.py",
)
# Examples for a resource are blocks of code in these pages.
PAGES = ("README.md", "docs/clients.md")
BLOCK = re.compile(
    r"(?:^## .*\n\n)?(?P<opening>(?:^<!-- .* -->\n)?^```.*\n)(?:.*\n)*?^```\n\n?",
    re.MULTILINE,
)
MIGRATIONS = "app/db/migrations/"
# A table of `schemathesis.toml` that no longer names an operation.
EMPTY = re.compile(
    r"(?:^#[^\n]*\n)*^\[\[operations\]\]\n"
    r"include-name = \[\s*\]\n(?:\S[^\n]*\n)*\n?",
    re.MULTILINE,
)
TABLE = re.compile(r'__tablename__ = "(\w+)"')


@dataclass(frozen=True)
class Stem:
    """The name in the singular and in the plural, and further names of a feature."""

    names: tuple[str, ...]

    @property
    def plural(self) -> str:
        """The name in the plural, which is also the name of the table."""
        return self.names[1]

    def owns(self, path: Path) -> bool:
        """Whether the file belongs to the resource. A revision does not: it stays."""
        return not path.as_posix().startswith(MIGRATIONS) and any(
            re.fullmatch(
                rf"(test_)?({'|'.join(self.names)})(\.\w+)?", part.replace("-", "_")
            )
            for part in path.parts
        )

    def is_in(self, line: str) -> bool:
        """Whether a line of a registry belongs to the resource.

        A line about `product_types` does not belong to `products`.
        """
        words = {*self.names}
        words |= {word.replace("_", "-") for word in words}
        words |= {word.replace("_", " ").capitalize() for word in words}
        whole = "|".join(sorted(map(re.escape, words)))
        settings = rf"\b{camel(self.names[0])}Settings\b"
        return re.search(rf"(?<![\w-])({whole})(?![\w-])|{settings}", line) is not None

    def is_imported_by(self, code: str) -> bool:
        part = rf"\.({'|'.join(self.names)})\b"
        imports = rf"^\s*(from|import) (app|bench|tests)[\w.]*{part}"
        reference = rf'"{self.plural}\.id"'
        return re.search(f"{imports}|{reference}", code, re.MULTILINE) is not None


def find(root: Path, name: str) -> Stem:
    """Find a resource by its singular or plural. Raise `Refused` if there is none."""
    for model in sorted(root.glob("app/db/models/*.py")):
        tables = TABLE.findall(model.read_text())
        if tables and name in {model.stem, tables[0]}:
            return Stem((model.stem, tables[0]))
    raise Refused(f"There is no resource {name}.")


def without(root: Path, stem: Stem) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the name of each registry and page that has lines of a resource.

    Also yield its text without these lines, and the lines themselves.
    """
    ways = dict.fromkeys(REGISTRIES, without_lines)
    for name, take_out in (ways | dict.fromkeys(PAGES, without_blocks)).items():
        if (root / name).exists() and not stem.owns(Path(name)):
            text, lines = take_out((root / name).read_text(), stem)
            if lines:
                yield name, text, lines


def without_lines(text: str, stem: Stem) -> tuple[str, list[str]]:
    """Return the text of a registry without the lines of a resource.

    Also return these lines.
    """
    rows = text.splitlines(keepends=True)
    removed = [row.strip() for row in rows if stem.is_in(row)]
    left = "".join(row for row in rows if not stem.is_in(row))
    return EMPTY.sub("", left).rstrip("\n") + "\n", removed


def without_blocks(text: str, stem: Stem) -> tuple[str, list[str]]:
    """Return a page without the blocks whose opening names a resource.

    Also return the openings of these blocks.
    """
    openings: list[str] = []

    def settle(block: re.Match[str]) -> str:
        if not stem.is_in(block["opening"]):
            return block[0]
        openings.append(block["opening"].splitlines()[0])
        return ""

    return BLOCK.sub(settle, text), openings
