"""Writes the name of a copy into the samples of `deploy/` and the pages about them."""

import re
from pathlib import Path

FOLDER = "deploy"
# In a line with one of these texts, the slug is the name of a role or a database of
# PostgreSQL. There a hyphen would need quotes.
SQL = (" ROLE ", " DATABASE ", "postgresql://", "POSTGRES_", "pg_isready")
# Matches the version of the project in the chart, the image, and the name of the wheel.
RELEASE = re.compile(
    r"(^version: |^appVersion: |VERSION:-|^VERSION=)[\w.]+(?=}|$)", re.MULTILINE
)


def rename(
    root: Path, old: tuple[str, str], new: tuple[str, str], version: str
) -> None:
    """Replace the title, the slug and the version in texts, then the slug in paths.

    A title can contain a character that has a meaning in YAML. Therefore the samples
    get the slug in place of the title.
    """
    title, slug = new
    files = [each for each in (root / FOLDER).rglob("*") if each.is_file()]
    for file in files:
        _rewrite(file, {old[0]: slug, old[1]: slug}, version)
    for page in root.glob("docs/*.md"):
        _rewrite(page, {old[0]: title, old[1]: slug}, version)
    for path in sorted((root / FOLDER).rglob(f"*{old[1]}*"), reverse=True):
        path.rename(path.with_name(path.name.replace(old[1], slug)))


def _rewrite(file: Path, names: dict[str, str], version: str) -> None:
    rows = file.read_text().splitlines(keepends=True)
    text = "".join(_renamed(row, names) for row in rows)
    file.write_text(RELEASE.sub(rf"\g<1>{version}", text))


def _renamed(row: str, names: dict[str, str]) -> str:
    is_sql = any(mark in row for mark in SQL)
    for old, new in names.items():
        if is_sql:
            new = new.replace("-", "_")
            row = row.replace(old.replace("-", "_"), new)
        row = row.replace(old, new)
    return row
