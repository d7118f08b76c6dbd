"""Updates a copy to a release by git: a cherry-pick of what the release changed.

    base = codemods(the old release, under the copy's name)
    ours = codemods(the copy)
    theirs = the new release, under the copy's name

A commit of `theirs` on `base`, cherry-picked onto `ours`, is a three-way merge by git
itself. It needs no history in common, and its conflicts are in git's index. The command
`update` of the copy runs this module from the new release.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from scaffold import codemods, naming, stems, upstream
from scaffold.codemods import Codemods
from scaffold.naming import Identity
from scaffold.refusal import Refused
from scaffold.repository import commit_all, git, refuse_changes, tracked, try_git
from scaffold.settling import Outcome, changes, settle
from scaffold.stems import Stem
from scaffold.upstream import Upstream

BEFORE, AFTER = "refs/upstream/before", "refs/upstream/after"
OF_THE_COPY = (
    "README.md",
    "CHANGELOG.md",
    upstream.FILE,
)  # an update does not change these
ATTRIBUTES = """\
*.py merge=lines
schemathesis.toml merge=lines
docs/README.md merge=lines
docs/settings.md merge=ours
docs/errors.md merge=ours
docs/readiness-review.md merge=ours
deploy/grafana/*.json merge=ours
deploy/prometheus/rules.yml merge=ours
openapi.json merge=ours
.env.example merge=ours
requirements/*.txt merge=ours
"""


def fetch(root: Path, to: str | None) -> tuple[Upstream, str]:
    """Fetch the release of the copy, and the new release.

    Return the record of the copy, and the name of the new release.

    Raises:
        Refused: The copy has changes, or there is no newer release.
    """
    known = upstream.read(root)
    refuse_changes(root)
    to = to or newest(root, known.source)
    for name, ref in ((known.commit, BEFORE), (to, AFTER)):
        git(root, "fetch", "--quiet", "--no-tags", known.source, f"+{name}:{ref}")
    if git(root, "rev-parse", f"{AFTER}^{{commit}}") == known.commit:
        raise Refused(f"The copy is at {to} already.")
    return known, to


def newest(root: Path, source: str) -> str:
    listed = git(
        root, "ls-remote", "--tags", "--refs", "--sort=v:refname", source, "v*"
    )
    if not listed:
        raise Refused(f"{source} has no release. Name a branch or a commit.")
    return listed.rpartition("refs/tags/")[2]


def unpack(root: Path, ref: str, target: Path) -> Path:
    target.mkdir()
    archive = target.with_suffix(".tar")
    git(root, "archive", "--output", str(archive), ref)
    subprocess.run(["tar", "-xf", archive, "-C", target], check=True)
    return target


def run_of_release(root: Path, to: str | None) -> int:
    """Fetch the new release, and let its own code update the copy."""
    _, to = fetch(root, to)
    with tempfile.TemporaryDirectory() as directory:
        release = unpack(root, AFTER, Path(directory, "release"))
        line = [sys.executable, "-P", "-m", "scaffold.updating", str(root), to]
        environment = os.environ | {"PYTHONPATH": str(release)}
        return subprocess.run(line, env=environment, check=False).returncode


def update(root: Path, to: str) -> Outcome:
    """Merge the fetched release on a new branch.

    Raises:
        Refused: The update could not begin, and has changed nothing.
    """
    known = upstream.read(root)
    branch = f"upstream-{to}"
    if try_git(root, "rev-parse", "--verify", branch).returncode == 0:
        raise Refused(f"The branch {branch} exists. Delete it first.")
    with tempfile.TemporaryDirectory() as directory:
        before = unpack(root, BEFORE, Path(directory, "before"))
        after = unpack(root, AFTER, Path(directory, "after"))
        steps = codemods.between(before, after)
        steps.refuse_taken(root)
        logs = [(tree / "CHANGELOG.md").read_text() for tree in (before, after)]
        for tree in (before, after):
            rename(tree, naming.current(root))
            # Otherwise a change to a line of a removed resource would be a conflict.
            for names in known.removed:
                for name, text, _ in stems.without(tree, Stem(tuple(names))):
                    (tree / name).write_text(text)
        steps.apply(before, files_of(before))
        git(root, "switch", "--quiet", "--create", branch)
        apply_to_copy(root, steps, to)
        base = commit(root, before, f"{known.release}, with the codemods of {to}")
        new = commit(root, after, f"Update from {known.release} to {to}", "-p", base)
        merge(root, new, Path(directory))
        release = git(root, "rev-parse", f"{AFTER}^{{commit}}")
        replace(known, release=to, commit=release).write(root)
        outcome = settle(root, before, after, known.removed)
        return replace(outcome, changes=changes(*logs))


def rename(tree: Path, identity: Identity) -> None:
    line = [sys.executable, "-P", "-m", "scaffold.naming", str(tree)]
    subprocess.run(
        [*line, identity.title, identity.slug],
        env=os.environ | {"PYTHONPATH": str(tree)},
        check=True,
    )
    for name in OF_THE_COPY:
        (tree / name).unlink(missing_ok=True)


def files_of(tree: Path) -> list[Path]:
    return [file.relative_to(tree) for file in tree.rglob("*") if file.is_file()]


def apply_to_copy(root: Path, steps: Codemods, to: str) -> None:
    files = [*tracked(root)]
    steps.apply(root, files)
    if git(root, "status", "--porcelain"):
        commit_all(root, f"Apply the codemods of {to}")


def commit(root: Path, tree: Path, message: str, *parents: str) -> str:
    """Write a directory as a commit into the copy's repository."""
    with tempfile.TemporaryDirectory() as directory:
        place = {
            "GIT_DIR": git(root, "rev-parse", "--absolute-git-dir"),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": f"{directory}/index",
        }
        git(tree, "add", "--all", "--force", ".", **place)
        written = git(tree, "write-tree", **place)
    author = {"GIT_AUTHOR_NAME": "update", "GIT_AUTHOR_EMAIL": "update@localhost"}
    author |= {name.replace("AUTHOR", "COMMITTER"): v for name, v in author.items()}
    return git(root, "commit-tree", written, *parents, "-m", message, **author)


def merge(root: Path, new: str, directory: Path) -> None:
    (directory / "attributes").write_text(ATTRIBUTES)
    driver = Path(__file__).with_name("merge_lines.py")
    settings = {
        "merge.ours.driver": "true",
        "merge.lines.driver": f"'{sys.executable}' '{driver}' %O %A %B %P",
        "core.attributesFile": str(directory / "attributes"),
        "merge.renameLimit": "20000",
        "merge.conflictStyle": "zdiff3",
    }
    options = [part for each in settings.items() for part in ("-c", "=".join(each))]
    picked = ("cherry-pick", "--no-commit", "-X", "diff-algorithm=histogram", new)
    try_git(root, *options, *picked)  # a failure leaves its conflicts in the index


def main(root: str, to: str) -> int:
    try:
        outcome = update(Path(root), to)
    except Refused as refused:
        sys.stderr.write(f"Error: {refused}\n")
        return 2
    sys.stdout.write(f"{outcome.report()}\n")
    return 1 if outcome.conflicts else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
