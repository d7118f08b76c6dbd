"""Gives a copy its own name. The same name always gives the same files."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from unicodedata import normalize

from scaffold import deploying
from scaffold.refusal import Refused

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40
REFUSED = "`|<>\\$"  # these have a meaning in Markdown, HTML, Python or a shell
TOUR = re.compile(r"^<!-- tour.* -->\n```sh\n.*?^```\n", re.M | re.S)
TEMPLATES = Path(__file__).parent / "templates"
FIRST_VERSION = "0.1.0"


@dataclass(frozen=True)
class Identity:
    """The name for people, and the name of the distribution and the command."""

    title: str
    slug: str


def choose(title: str, slug: str | None, root: Path) -> Identity:
    """Check the names. Raises `Refused` if Python, TOML or Markdown forbids one."""
    if not title.isprintable() or title.strip() != title or not title:
        raise Refused("A title is one line without spaces at its ends.")
    if len(title) > LONGEST:
        raise Refused(f"A title has at most {LONGEST} characters, not {len(title)}.")
    if found := [each for each in REFUSED if each in title]:
        raise Refused(f"A title cannot contain {' '.join(found)}")
    if slug is None:
        letters = normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        slug = "-".join(re.findall(r"[a-z0-9]+", letters.replace("'", "")))
        if not SLUG.fullmatch(slug):
            raise Refused(
                f"The title {title} gives no name for the command. Choose one, such as "
                "--slug my-shop."
            )
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST:
        raise Refused(
            f"A slug has at most {LONGEST} small letters, digits and single hyphens, "
            "and begins with a letter: acme-shop."
        )
    if slug in installed(root):
        raise Refused(f"{slug} is a package that the service needs. Choose another.")
    return Identity(title, slug)


def installed(root: Path) -> set[str]:
    """List the packages of the lock files, whose names a copy must not have."""
    locks = [file.read_text() for file in root.glob("requirements/*.txt")]
    return {name for lock in locks for name in re.findall(r"^([\w.-]+)==", lock, re.M)}


def current(root: Path) -> Identity:
    text = (root / "app/identity.py").read_text()
    values = dict(re.findall(r"^(NAME|TITLE) = (.+)$", text, re.M))
    return Identity(_read(values["TITLE"]), _read(values["NAME"]))


def rename(root: Path, new: Identity) -> None:
    """Write the name into the files that contain it, and begin with version 0.1.0."""
    old = current(root)
    title = json.dumps(new.title, ensure_ascii=False)
    _replace(
        root / "app/identity.py",
        (r'^NAME = "[^"]*"', f'NAME = "{new.slug}"'),
        (r"^TITLE = .*", f"TITLE = {literal(new.title)}"),
    )
    _replace(
        root / "pyproject.toml",
        (f'^name = "{old.slug}"', f'name = "{new.slug}"'),
        (r'^version = "[^"]*"', f'version = "{FIRST_VERSION}"'),
        (r"^description = .*", f"description = {title}"),
        (rf'^{re.escape(old.slug)} = "app\.cli:main"', f'{new.slug} = "app.cli:main"'),
    )
    # These files are generated. Change their text here, because the copy cannot import
    # its dependencies yet.
    _replace(
        root / "openapi.json",
        (r'^    "title": .*', f'    "title": {title},'),
        (r'^    "version": .*', f'    "version": "{FIRST_VERSION}"'),
    )
    _replace(root / ".env.example", (r"^# APP_NAME=.*", f"# APP_NAME={new.title}"))
    _replace(
        root / "docs/settings.md",
        (r"^\| `APP_NAME` \| `[^`]*`", f"| `APP_NAME` | `{new.title}`"),
    )
    former = (old.title, old.slug)
    deploying.rename(root, former, (new.title, new.slug), FIRST_VERSION)


def introduce(root: Path, new: Identity, origin: str) -> None:
    """Replace the README and the changelog of the project by the copy's own."""
    readme = root / "README.md"
    tour = TOUR.search(readme.read_text())
    values = {
        "title": new.title,
        "slug": new.slug,
        "origin": origin,
        "tour": f"\n## Five minutes with curl\n\n{tour[0]}" if tour else "",
    }
    for name in ("README.md", "CHANGELOG.md"):
        template = Template((TEMPLATES / name).read_text())
        (root / name).write_text(template.substitute(values))


def defaults(root: Path) -> str:
    """Return the release whose default settings a copy keeps, or "" for the newest."""
    found = re.search(
        r'^DEFAULTS = "(.*)"', (root / "app/identity.py").read_text(), re.M
    )
    return found[1] if found else ""


def keep_defaults(root: Path, release: str) -> None:
    """Let the copy keep the default settings of a release when it is updated."""
    line = f'DEFAULTS = "{release}"'
    _replace(root / "app/identity.py", (r'^DEFAULTS = ".*"', line))
    _replace(root / ".env.example", (r"^# DEFAULTS=.*", f"# DEFAULTS={release}"))
    row = f"| `DEFAULTS` | `{release}` |"
    _replace(root / "docs/settings.md", (r"^\| `DEFAULTS` \|[^|]*\|", row))


def literal(text: str) -> str:
    """Write a Python literal as the formatter does: with the fewest escapes."""
    double = json.dumps(text, ensure_ascii=False)
    if text.count('"') <= text.count("'"):
        return double
    return "'" + text.replace("'", r"\'") + "'"


def _read(value: str) -> str:
    quote = value[0]
    return value[1:-1].replace(f"\\{quote}", quote)


def _replace(file: Path, *rules: tuple[str, str]) -> None:
    text = file.read_text()
    for pattern, line in rules:
        text, found = re.subn(pattern, line.replace("\\", r"\\"), text, flags=re.M)
        if found != 1:
            raise Refused(f"{file.name} has {found} lines like `{pattern}`, not 1.")
    file.write_text(text)


# An update renames the files of each release by the code of that release.
if __name__ == "__main__":
    rename(Path(sys.argv[1]), Identity(*sys.argv[2:]))
