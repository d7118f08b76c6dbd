"""The fields of a new resource."""

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# A list can be filtered by text of at most this many characters, and sorted by longer
# text.
LIKE_A_CODE = 32


@dataclass(frozen=True)
class Kind:
    """The code of a type of field. `kinds.toml` explains each attribute."""

    python: str
    wire: str
    revision: str
    column: str = ""
    example: str = ""
    larger: str = ""
    sql: str = ""
    filter: str = ""
    sortable: bool = False
    arguments: str = ""
    default: str = ""


TABLE = Path(__file__).parent / "templates" / "kinds.toml"
KINDS = {
    name: Kind(**table) for name, table in tomllib.loads(TABLE.read_text()).items()
}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    type_name: str  # the field's own type, such as ProductStatus
    arguments: tuple[str, ...] = ()
    optional: bool = False
    unique: bool = False
    default: str | None = None

    def code(self, part: str) -> str:
        """Fill one of the texts of `Kind`."""
        text: str = getattr(KINDS[self.kind], part)
        if "{" not in text or part in {"example", "larger", "sql"}:
            return text
        values = {
            "example": self.example,
            "class_": self.type_name,
            "label": json.dumps(self.name),
            "title": json.dumps(self.type_name),
            "values": ", ".join(map(json.dumps, self.arguments)),
        }
        return text.format(*self.arguments, **values)

    @property
    def example(self) -> str:
        """A value in Python. A reference has no such value."""
        match self.kind:
            case "str":
                return json.dumps(self._words()[: int(self.arguments[0])].strip())
            case "decimal":
                return json.dumps(self._decimal("1"))
            case "enum":
                return json.dumps(self.arguments[0])
        return self.code("example")

    @property
    def larger(self) -> str:
        match self.kind:
            case "str":
                return json.dumps(f"z{self._words()}"[: int(self.arguments[0])].strip())
            case "decimal":
                return json.dumps(self._decimal("2"))
            case "enum":
                return json.dumps(self.arguments[-1])
        return self.code("larger")

    @property
    def sql(self) -> str:
        match self.kind:
            case "str" if self.filter:
                return "substr('ABCDEFGHIJ', 1 + n % 10, 1)"
            case "str":
                return "'' || n"
            case "enum":
                return f"'{self.arguments[0]}'"
            case "ref":
                return f"{{{self.name}}}"
        return self.code("sql")

    @cached_property
    def filter(self) -> str:
        if self.kind == "str":
            short = int(self.arguments[0]) <= LIKE_A_CODE
            return "equal" if short and not self.unique else ""
        return KINDS[self.kind].filter

    @cached_property
    def sortable(self) -> bool:
        text = self.kind == "str" and not self.filter
        return not self.optional and (text or KINDS[self.kind].sortable)

    @property
    def python(self) -> str:
        return self.code("python") + (" | None" if self.optional else "")

    def _words(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def _decimal(self, digit: str) -> str:
        places = int(self.arguments[1])
        return digit + ("." + "0" * places if places else "")
