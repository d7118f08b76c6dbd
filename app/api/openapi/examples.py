"""Adds an example of every body to the document, and shares equal enumerations."""

from collections.abc import Iterator
from typing import Any

SCHEMAS = "#/components/schemas/"
MISSING = "…"  # a test refuses it: the field needs `examples`
BY_FORMAT = {
    "uuid": "019a8f3e-5a70-7000-8000-000000000001",
    "date-time": "2026-01-31T09:30:00Z",
}


def name_by_title(document: dict[str, Any]) -> None:
    """Name each component by its title: `Page_NoteRead_` becomes `NotePage`."""
    components = document["components"]
    titles = {name: each["title"] for name, each in components["schemas"].items()}
    for schema in nested(document):
        name = str(schema.get("$ref", "")).removeprefix(SCHEMAS)
        if name in titles:
            schema["$ref"] = SCHEMAS + titles[name]
    named = {titles[name]: each for name, each in components["schemas"].items()}
    components["schemas"] = named


def share_enums(document: dict[str, Any]) -> None:
    """Make each enumeration a component, unless a different component has its name."""
    schemas = document["components"]["schemas"]
    for schema in list(nested(document)):
        name = str(schema.get("title", "")).replace(" ", "")
        if not name or not isinstance(schema.get("enum"), list):
            continue
        shared = {key: schema[key] for key in ("title", "type", "enum")}
        shared["title"] = name
        if schemas.setdefault(name, shared) == shared:
            for key in shared:
                del schema[key]
            schema["$ref"] = SCHEMAS + name


def nested(part: Any) -> Iterator[dict[str, Any]]:
    """Find every object in a part of the document, at any depth."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from nested(each)


def add_examples(schemas: dict[str, Any]) -> None:
    for schema in schemas.values():
        if "properties" in schema:
            schema["examples"] = [example(schema, schemas)]


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Build a value from the examples, constants and types of a schema."""
    match schema:
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]}:
            return first
        case {"$ref": reference}:
            return example(schemas[reference.removeprefix(SCHEMAS)], schemas)
        case {"anyOf": [first, *_]}:
            return example(first, schemas)
        case {"properties": properties}:
            return {name: example(each, schemas) for name, each in properties.items()}
        case {"items": item}:
            return [example(item, schemas)]
        case {"type": "object", "propertyNames": names, "additionalProperties": value}:
            return {example(names, schemas): example(value, schemas)}
        case {"type": "object"}:
            return {}
        case {"type": "boolean"}:
            return True
        case {"type": "integer"}:
            return schema.get("default", 1)
    return BY_FORMAT.get(schema.get("format", ""), MISSING)
