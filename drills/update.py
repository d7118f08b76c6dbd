"""Update a copy, which has its own edits, over two releases that the drill makes.

    python -m drills.update [--short]

The copy has another name, an added and a removed resource, a dependency of its own, a
changed service that both releases move, and edits to a page that the second release
deletes. The update must keep all of this, and only that page may cause a conflict.
The lock files and the generated files must match the copy, so that `make check` and the
tests of the copy pass.
"""

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from drills.copies import Copy, DrillFailed, step
from drills.copy import make_own
from scaffold import codemods, upstream
from scaffold.repository import commit_all, git, tracked
from testbed.postgres import start_postgres
from testbed.service import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "version"
]
# The repository can already have codemods for its next release.
KNOWN = [file.stem for file in (ROOT / "scaffold/codemods").glob("*.toml")]
MAJOR, MINOR, PATCH = max(
    [int(number) for number in version.split(".")] for version in (VERSION, *KNOWN)
)
NEXT, LATER = f"{MAJOR}.{MINOR}.{PATCH + 1}", f"{MAJOR}.{MINOR + 1}.0"
MOVED = (
    "app/services/retention.py",
    "app/services/cleanup.py",
    "app/services/tidying.py",
)
PAGE = "docs/performance.md"
SOME = ("tests/api/suppliers", "tests/services/test_retention.py")
# The codemods of the releases also change names in this file, so its test would fail.
ALL = ("--ignore=tests/scaffold/test_update.py",)
MINE = "app/mine.py"
SERVICE = "app/services/health.py"
ROLES = "app/services/accounts/roles.py"
CHANGES = "app/core/settings/changes.py"
SECURITY = "app/core/settings/security.py"
NO_CHANGE = "NEW_DEFAULTS: tuple[NewDefault, ...] = ()"
CHANGE = (
    "NEW_DEFAULTS: tuple[NewDefault, ...] = (\n"
    f'    NewDefault("{LATER}", "password_hash_nice", 17),\n)'
)
NICE = 'Field(17, ge=0, le=19)\n    """'
NICER = f"{NICE.replace('17', '18')}More than before.\n    "
NEWS = f"## [{LATER}]\n\n- Changed for copies."
OWN_SCOPE = '    "x:read",\n    "users:read"'
CODEMODS = {
    NEXT: """
[moves]
"app/services/retention.py" = "app/services/cleanup.py"
[names]
"app.services.cleanup:purging" = "cleaning"
""",
    LATER: """
[moves]
"app/services/cleanup.py" = "app/services/tidying.py"
[names]
"app.services.tidying:cleaning" = "sweeping"
""",
}
DEPENDENCY, BEHIND = '  "humanize~=4.0",', '  "jinja2~='


def edit(file: Path, change: Callable[[str], str]) -> None:
    text = file.read_text()
    assert change(text) != text, file
    file.write_text(change(text))


def make_releases(checkout: Path, revoked: str = "") -> None:
    """Make two releases. Each moves a module, and renames a function in it.

    The second one also deletes a file, adds a file, and takes the scope `revoked` from
    a role.
    """
    begin_release(checkout, NEXT, than=VERSION)
    end_release(checkout, NEXT)
    begin_release(checkout, LATER, than=NEXT)
    if revoked:
        edit(checkout / ROLES, lambda text: text.replace(f'    "{revoked}",\n', ""))
    (checkout / PAGE).unlink()
    added = checkout / "app/services/products/added.py"
    added.parent.mkdir(exist_ok=True)  # a copy can be without products
    added.write_text('"""Added."""\n')
    edit(checkout / CHANGES, lambda text: text.replace(NO_CHANGE, CHANGE))
    # `docs/settings.md` repeats this text.
    edit(checkout / SECURITY, lambda text: text.replace(NICE, NICER))
    edit(checkout / SERVICE, lambda text: f"# release\n{text}")
    edit(
        checkout / "CHANGELOG.md",
        lambda text: text.replace("## [Unr", f"{NEWS}\n\n## [Unr"),
    )
    end_release(checkout, LATER)


def begin_release(checkout: Path, version: str, *, than: str) -> None:
    text = CODEMODS[version]
    (checkout / f"scaffold/codemods/{version}.toml").write_text(text)
    codemods.Codemods(**tomllib.loads(text)).apply(checkout, [*tracked(checkout)])
    edit(checkout / "pyproject.toml", lambda t: t.replace(than, version, 1))


def end_release(checkout: Path, version: str) -> None:
    commit_all(checkout, f"Release {version}")
    git(checkout, "tag", f"v{version}")


def edit_copy(shop: Path) -> None:
    """Edit files that the releases change, move or delete, and add a file."""
    edit(shop / ROLES, lambda text: text.replace('    "users:read"', OWN_SCOPE))
    edit(shop / MOVED[0], lambda text: f"{text}\n\nOURS = 1\n")
    edit(shop / PAGE, lambda text: f"{text}\nOurs.\n")
    (shop / MINE).write_text(
        '"""What the copy added."""\n\n'
        "from app.services.retention import OURS, purging\n\n"
        "DOUBLE = 2 * OURS\nbegin = purging\n"
    )
    edit(
        shop / "pyproject.toml",
        lambda t: t.replace(BEHIND, f"{DEPENDENCY}\n{BEHIND}", 1),
    )
    (shop / "app/services/products/listing.py").unlink(missing_ok=True)
    commit_all(shop, "Ours")


def drill(home: Path, postgres_url: str, *, short: bool) -> None:
    with step("make a copy with edits"):
        shop = make_own(home, postgres_url, "--without", "products")
        shop.app("add", "resource", "supplier", "name:str:200:unique", "since:date")
        edit_copy(shop.directory)
        lock(shop, "--write")
        commit_all(shop.directory, "Lock our dependency")
    with step("make two releases"):
        make_releases(home / "checkout")
    with step("update over both"):
        update(shop)
        lock(shop)
    with step("check and test the copy"):
        shop.renew_stamps()
        shop.check(short=short, tests=SOME if short else ALL)
        shop.collect()


def lock(shop: Copy, *options: str) -> None:
    shop.run("sh", "requirements/check.sh", ".venv/bin/uv", *options)
    if "\nhumanize==" not in (shop.directory / "requirements/base.txt").read_text():
        raise DrillFailed("The lock files lack the dependency of the copy.")


def update(shop: Copy) -> None:
    """Run the command `update`, and keep the page that is its only conflict."""
    try:
        said = shop.app("update")
    except DrillFailed as failed:
        said = str(failed)
    conflicts = [line for line in said.splitlines() if line.startswith("CONFLICT")]
    if [line.split()[1] for line in conflicts] != [f"{PAGE}:"]:
        raise DrillFailed(f"Expected one conflict, in {PAGE}:\n{said}")
    git(shop.directory, "add", PAGE)  # keep it, because other pages link to it
    if "DEFAULTS keeps PASSWORD_HASH_NICE=17" not in said:
        raise DrillFailed(f"The copy does not keep a default:\n{said}")
    if upstream.read(shop.directory).release != f"v{LATER}":
        raise DrillFailed("The copy does not know its release.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="Run fewer tests.")
    short: bool = parser.parse_args().short
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        try:
            with start_postgres(home) as postgres:
                drill(home, postgres.url, short=short)
        except DrillFailed as failure:
            sys.exit(f" failed\n{failure}")


if __name__ == "__main__":
    main()
