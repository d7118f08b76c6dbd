"""Applies the moves and the new names of releases to the files of a directory."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scaffold.refusal import Refused

TEXTS = {".py", ".md", ".toml", ".sh", ".yml", ""}


@dataclass
class Codemods:
    moves: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def refuse_taken(self, root: Path) -> None:
        """Raise `Refused` if the copy has a file of its own at the target of a move."""
        for old, new in self.moves.items():
            if (root / new).exists():
                raise Refused(f"The release moves {old} to {new}. Rename your {new}.")

    def apply(self, root: Path, files: Iterable[Path]) -> None:
        """Move files and replace old names. Raises `RuntimeError` if one is left.

        In an update, an old name that is left would look like a change that the copy
        wants to keep.
        """
        self._apply(root, files)
        left = [old for old in self.moves if (root / old).exists()]
        left += [str(file) for file, _ in self._changes(root, files)]
        if left:
            raise RuntimeError(f"The codemod left old names in {left}.")

    def _apply(self, root: Path, files: Iterable[Path]) -> None:
        for old, new in self.moves.items():
            if (root / old).exists():
                (root / new).parent.mkdir(parents=True, exist_ok=True)
                (root / old).rename(root / new)
        for file, text in self._changes(root, files):
            (root / file).write_text(text)

    def _changes(self, root: Path, files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
        paths = {**self.moves}
        for old, new in self.moves.items():
            if old.endswith(".py"):
                paths[dotted(old)] = dotted(new)
        for each in files:
            file = Path(self.moves.get(str(each), each))
            if file.suffix not in TEXTS or not (root / file).is_file():
                continue
            if "codemods" in file.parts:
                continue
            try:
                text = (root / file).read_text()
            except UnicodeDecodeError:
                continue
            changed = replaced(text, paths)
            if file.suffix == ".py":
                changed = replaced(changed, self._names_in(file, changed))
            if changed != text:
                yield file, changed

    def _names_in(self, file: Path, text: str) -> dict[str, str]:
        found = {}
        for old, new in self.names.items():
            module, _, name = old.partition(":")
            if module in text or module == dotted(str(file)):
                found[name] = new
        return found


def between(old: Path, new: Path) -> Codemods:
    """Combine the codemods that the new release has and the old release does not have.

    If several releases move or rename the same thing, the result has one step for it.
    The result has no step for a file that only a release between the two had. A file
    of this name in a copy is the copy's own.
    """
    folder = "scaffold/codemods"
    known = {file.name for file in (old / folder).glob("*.toml")}
    together = Codemods()
    files = [each for each in (new / folder).glob("*.toml") if each.name not in known]
    for file in sorted(files, key=version_of):
        table = tomllib.loads(file.read_text())
        moves, names = table.get("moves", {}), table.get("names", {})
        modules = {dotted(before): dotted(after) for before, after in moves.items()}
        for before, after in together.moves.items():
            together.moves[before] = moves.pop(after, after)
        together.moves |= {each: moves[each] for each in moves if (old / each).exists()}
        for key, name in [*together.names.items()]:
            module, _, before = key.partition(":")
            module = modules.get(module, module)
            del together.names[key]
            together.names[f"{module}:{before}"] = names.pop(f"{module}:{name}", name)
        together.names |= names
    return together


def version_of(file: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", file.stem)]


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def replaced(text: str, names: Mapping[str, str]) -> str:
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    pattern = rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest_first))})(?!\w)"
    return re.sub(pattern, lambda found: names[found[0]], text)
