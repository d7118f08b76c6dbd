"""The names of a resource and of its fields."""

import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from scaffold.refusal import Refused

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 30
# PostgreSQL reserves these: a statement needs quotes around them.
SQL_WORDS = set(
    "all analyse analyze and any array as asc asymmetric both case cast check collate "
    "column constraint create current_date current_time current_user default "
    "deferrable desc distinct do else end except false fetch for foreign from grant "
    "group having in initially intersect into lateral leading limit localtime not null "
    "offset on only or order placing primary references returning select session_user "
    "some symmetric system_user table then to trailing true union unique user using "
    "variadic when where window with".split()
)
PLACES = (  # of the files of a resource
    "app/db/models/{singular}.py",
    "app/schemas/{singular}.py",
    "app/services/{plural}.py",
    "app/services/{plural}",
    "app/api/v1/endpoints/{plural}.py",
    "app/cli/{plural}.py",
    "tests/{plural}",
    "tests/api/{plural}",
    "docs/{plural}.md",
)


def check(name: str) -> str:
    """Return the name. Raise `Refused` if it is not possible in Python or SQL."""
    if not SNAKE.fullmatch(name) or len(name) > LONGEST:
        raise Refused(
            f"{name} is not a name of at most {LONGEST} small letters, digits and "
            "single underscores, such as delivery_note."
        )
    if keyword.iskeyword(name) or name in SQL_WORDS:
        raise Refused(f"{name} is a word of Python or SQL. Choose another name.")
    return name


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def plural_of(singular: str) -> str:
    if re.search(r"[^aeiou]y$", singular):
        return f"{singular[:-1]}ies"
    return singular + ("es" if re.search(r"(s|x|z|ch|sh)$", singular) else "s")


@dataclass(frozen=True)
class Names:
    singular: str
    plural: str

    def refuse_taken(self, root: Path) -> None:
        for place in PLACES:
            path = place.format(**vars(self))
            if (root / path).exists():
                raise Refused(f"{path} exists: choose another name.")
        models = [file.read_text() for file in root.glob("app/db/models/*.py")]
        if any(f'__tablename__ = "{self.plural}"' in model for model in models):
            raise Refused(f"The table {self.plural} exists: choose another name.")


def choose(singular: str, plural: str | None) -> Names:
    """Return both names. Raises `Refused` for a name that is not possible."""
    names = Names(check(singular), check(plural or plural_of(singular)))
    if names.singular == names.plural:
        raise Refused("The plural must differ from the singular. Set it with --plural")
    return names
