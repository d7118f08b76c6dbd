"""Writes the code of a new resource. `docs/adding-a-resource.md` shows an example."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from scaffold.fields import KINDS, Field
from scaffold.names import Names, camel

TEMPLATES = Path(__file__).parent / "templates" / "resource"


@dataclass(frozen=True)
class Resource:
    names: Names
    fields: list[Field]
    owned: bool
    tables: dict[str, str]  # the table of each resource that a field refers to

    @property
    def path(self) -> str:
        return self.names.plural.replace("_", "-")

    @property
    def scope(self) -> str:
        return f"{self.names.plural}:write"

    @property
    def unique(self) -> list[Field]:
        return [field for field in self.fields if field.unique]

    @property
    def references(self) -> list[Field]:
        return [field for field in self.fields if field.kind == "ref"]

    @property
    def sortable(self) -> list[str]:
        return ["created_at", *(f.name for f in self.fields if f.sortable)]

    @property
    def orders(self) -> list[str]:
        return [sign + name for name in self.sortable for sign in ("", "-")]

    @property
    def indexes(self) -> list[list[str]]:
        """The columns of each index. Each sortable field and each reference has one."""
        owner = ["owner_id"] if self.owned else []
        return [
            *([*owner, name, "id"] for name in self.sortable),
            *([field.name, "created_at", "id"] for field in self.references),
        ]

    @property
    def conflicts(self) -> list[str]:
        """The names of the errors for constraints that a change can break."""
        class_ = camel(self.names.singular)
        return [
            *([f"{class_}{self.unique_name}Taken"] if self.unique else []),
            *([f"{class_}ReferenceUnknown"] if self.references else []),
        ]

    @property
    def unique_name(self) -> str:
        return camel(self.unique[0].name) if len(self.unique) == 1 else ""

    def words(self) -> dict[str, str]:
        """The name in each form that a template needs."""
        singular, plural = self.names.singular, self.names.plural
        word, words = singular.replace("_", " "), plural.replace("_", " ")
        article = "an" if word[0] in "aeiou" else "a"
        return {
            "singular": singular,
            "plural": plural,
            "Class": camel(singular),
            "Classes": camel(plural),
            "UPPER": singular.upper(),
            "UPPERS": plural.upper(),
            "word": word,
            "words": words,
            "Words": words.capitalize(),
            "a_word": f"{article} {word}",
            "path": self.path,
        }


def fill(template: str, **values: str) -> str:
    return Template((TEMPLATES / template).read_text()).substitute(values)


def lines(rows: Iterable[str], indent: int) -> str:
    return "\n".join(" " * indent + row for row in rows)


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def model(resource: Resource) -> str:
    enums = [
        f"class {field.type_name}(StrEnum):\n"
        + "\n".join(f'    {value.upper()} = "{value}"' for value in field.arguments)
        for field in resource.fields
        if field.kind == "enum"
    ]
    columns = [_mapped(resource, field) for field in resource.fields]
    unique = []
    if resource.owned:
        columns.insert(
            0,
            "owner_id: Mapped[UUID] = mapped_column("
            'ForeignKey("users.id", ondelete="CASCADE"))',
        )
        unique = [
            f'Index(None, "owner_id", "{field.name}", unique=True),'
            for field in resource.unique
        ]
    comment = "# Each order that the list offers is read from an index."
    indexes = [f"Index(None, {quoted(columns)})," for columns in resource.indexes]
    return fill(
        "model.py.txt",
        **resource.words(),
        enums="\n\n\n".join([*enums, ""]),
        columns=lines(columns, 4),
        indexes=lines([*unique, comment, *indexes], 8),
    )


def _mapped(resource: Resource, field: Field) -> str:
    if field.kind == "ref":
        action = "SET NULL" if field.optional else "CASCADE"
        table = resource.tables[field.name]
        column = f'ForeignKey("{table}.id", ondelete="{action}")'
    else:
        column = field.code("column")
    if field.unique and not resource.owned:
        column += ", unique=True"
    mapped = f"{field.name}: Mapped[{field.python}]"
    return f"{mapped} = mapped_column({column})" if column else mapped


def schema(resource: Resource) -> str:
    wires = {field.name: _wire(field) for field in resource.fields}
    aliases = [
        f"{wires[field.name]} = {field.code('wire')}"
        for field in resource.fields
        if wires[field.name] == field.type_name
    ]
    create, update, query, read = [], [], [], []
    for field in resource.fields:
        wire = wires[field.name]
        optional = f"{wire} | None" if field.optional else wire
        default = " = None" if field.optional else ""
        if field.default is not None:
            default = f" = {field.default}"
        create.append(f"{field.name}: {optional}{default}")
        update.append(f"{field.name}: {optional} | MISSING = MISSING")
        if field.filter == "range":
            for bound, word in (("min", "Lowest"), ("max", "Highest")):
                text = f'Field(None, description="{word} {field.name}.")'
                query.append(f"{bound}_{field.name}: {wire} | None = {text}")
        elif field.filter:
            query.append(f"{field.name}: {wire} | None = None")
        read.append(_read(field, wire))
    return fill(
        "schema.py.txt",
        **resource.words(),
        aliases="\n".join(aliases),
        create=lines(create, 4),
        update=lines(update, 4),
        query=lines(query, 4),
        sorts=quoted(resource.orders),
        read=lines(read, 4),
    )


def _wire(field: Field) -> str:
    if field.kind == "str" and field.arguments == ("200",):
        return "Line"
    own = re.fullmatch(r"\w+(\[\w+, \w+\])?", KINDS[field.kind].wire) is None
    return field.type_name if own else field.code("wire")


def _read(field: Field, wire: str) -> str:
    kind = {"enum": wire, "currency": "StoredCurrency", "json": wire}.get(field.kind)
    kind = (kind or field.code("python")) + (" | None" if field.optional else "")
    if field.kind in {"enum", "currency", "ref", "bool"}:
        return f"{field.name}: {kind}"
    return f"{field.name}: {kind} = Field(examples=[{field.example}])"


def revision(resource: Resource, header: str) -> str:
    plural = resource.names.plural
    columns, constraints = [], []
    keys = [(field.name, resource.tables[field.name]) for field in resource.references]
    if resource.owned:
        columns.append('sa.Column("owner_id", sa.Uuid(), nullable=False),')
        keys.append(("owner_id", "users"))
    columns += [
        f'sa.Column("{each.name}", {each.code("revision")}, nullable={each.optional}),'
        for each in resource.fields
    ]
    optional = {field.name for field in resource.fields if field.optional}
    for key, table in keys:
        action = "SET NULL" if key in optional else "CASCADE"
        constraints.append(
            f'sa.ForeignKeyConstraint(["{key}"], ["{table}.id"], '
            f'name=op.f("fk_{plural}_{key}"), ondelete="{action}"),'
        )
    made = [(columns, False) for columns in resource.indexes]
    for field in resource.unique:
        if resource.owned:
            made.append((["owner_id", field.name], True))
        else:
            text = f'"{field.name}", name=op.f("uq_{plural}_{field.name}")'
            constraints.append(f"sa.UniqueConstraint({text}),")
    indexes = [
        f'op.create_index(op.f("ix_{plural}_{"_".join(columns)}"), "{plural}", '
        f"[{quoted(columns)}]{', unique=True' if unique else ''})"
        for columns, unique in made
    ]
    return fill(
        "revision.py.txt",
        **resource.words(),
        header=header,
        columns=lines(columns, 8),
        constraints=lines(constraints, 8),
        indexes=lines(indexes, 4),
    )
