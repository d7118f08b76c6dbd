"""Reads the fields of a new resource from the command line."""

import json
import re
from collections.abc import Sequence

from scaffold.fields import KINDS, Field, Kind
from scaffold.names import camel, check
from scaffold.refusal import Refused

SYNTAX = re.compile(
    r"(?P<name>\w+):(?P<kind>[a-z]+)(?:\((?P<list>[^)]*)\)|:(?P<size>\d+))?"
    r"(?P<unique>:unique)?(?P<optional>\?)?(?:=(?P<default>.+))?"
)
RESERVED = {
    # Columns of every resource, and parameters of every list.
    *("id", "created_at", "updated_at", "version", "owner_id"),
    *("cursor", "limit", "sort"),
    # Attributes of SQLAlchemy's and pydantic's base classes.
    *("metadata", "registry", "copy", "construct", "dict", "json", "schema"),
    # The type of such a field would have the name of a schema: `SupplierCreate`.
    *("create", "read", "update", "query"),
    *("validate", "parse_obj", "parse_raw", "parse_file", "from_orm"),
}
MOST_DIGITS = 18  # SQLite's integers have 64 bits
ARGUMENTS = {
    "str": "name:str:200, with 1 to 9999 characters",
    "decimal": "rating:decimal(3,1), with the numbers of digits and of decimal places",
    "enum": "state:enum(draft|active), with values of at most 16 small letters",
    "ref": "product:ref(product), with the name of a resource",
}


def parse(specifications: Sequence[str], resource: str) -> list[Field]:
    """Read the fields. Raises `Refused`, which names the field and the remedy."""
    fields: list[Field] = []
    for specification in specifications:
        field = _parse(specification, camel(resource))
        fields.append(field)
        if field.kind == "money":  # an amount has a currency
            name = f"{field.name}_currency"
            fields.append(Field(name, "currency", "", optional=field.optional))
    names = [field.name for field in fields]
    if all(field.kind == "ref" for field in fields):
        raise Refused("A resource needs a field of its own, such as name:str:200")
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"There are two fields of the name {name}.")
    return fields


def _parse(specification: str, prefix: str) -> Field:
    found = SYNTAX.fullmatch(specification)
    if found is None:
        raise Refused(
            f"{specification} is not a field such as name:str:200 or age:int?"
        )
    name = found["name"]
    kind = KINDS.get(found["kind"])
    if kind is None:
        known = ", ".join(KINDS)
        raise Refused(f"{found['kind']} is not a type of a field. Types: {known}.")
    given = found["list"] or found["size"] or ""
    if not re.fullmatch(kind.arguments, given):
        wanted = ARGUMENTS.get(found["kind"], f"{name}:{found['kind']}")
        raise Refused(f"{specification}: write it as {wanted}.")
    arguments = tuple(filter(None, re.split(r"[,|]\s*", given)))
    if found["kind"] == "ref" and not name.endswith("_id"):
        name += "_id"
    if name in RESERVED or name.startswith("model_"):
        raise Refused(f"{name} is a reserved name. Choose another name.")
    field = Field(
        check(name),
        found["kind"],
        prefix + camel(name),
        arguments,
        optional=found["optional"] is not None,
        unique=found["unique"] is not None,
        default=_default(found["kind"], kind, found["default"], specification),
    )
    _refuse_impossible(field)
    return field


def _default(name: str, kind: Kind, given: str | None, whole: str) -> str | None:
    """Write the default in Python."""
    if given is None:
        return None
    if not kind.default or not re.fullmatch(kind.default, given):
        raise Refused(f"{whole}: {given} cannot be the default of a field of {name}.")
    if name == "bool":
        return given.capitalize()
    if name == "decimal":
        return f'Decimal("{given}")'
    return given if name == "int" else json.dumps(given, ensure_ascii=False)


def _refuse_impossible(field: Field) -> None:
    if field.kind == "decimal":
        digits, places = map(int, field.arguments)
        if not places < digits <= MOST_DIGITS:
            raise Refused(
                f"{field.name}: a decimal has at most {MOST_DIGITS} digits, and at "
                "least one before the point."
            )
        number = re.search(r"\d+", field.default or "0")
        if number and len(number[0]) > digits - places:
            raise Refused(f"{field.name}: the default has too many digits.")
    if field.kind == "str" and len(json.loads(field.default or '""')) > int(
        field.arguments[0]
    ):
        raise Refused(f"{field.name}: the default is too long.")
    if field.kind == "enum":
        if field.default and json.loads(field.default) not in field.arguments:
            raise Refused(f"{field.name}: {field.default} is not one of its values.")
        if len({*field.arguments}) < len(field.arguments):
            raise Refused(f"{field.name} has a value twice.")
    if field.unique and (field.kind not in {"str", "email"} or field.optional):
        raise Refused(f"{field.name}: only a required str or email can be unique.")
    if field.unique and field.kind == "str" and int(field.arguments[0]) < 6:
        raise Refused(f"{field.name}: unique text needs room for 6 characters.")
