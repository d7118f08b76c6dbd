"""Compares two versions of `openapi.json`, and finds changes that break clients.

It does not compare the codes of errors, because a client must expect new codes.
"""

from collections.abc import Iterator
from typing import Any

Facts = set[tuple[str, str, str]]  # operation, a part of it, what is true there
# Each bound of what clients send, and whether a larger number allows more.
BOUNDS = {
    "maxLength": True,
    "maxItems": True,
    "maximum": True,
    "exclusiveMaximum": True,
    "minLength": False,
    "minItems": False,
    "minimum": False,
    "exclusiveMinimum": False,
}
UNBOUNDED = {True: float("inf"), False: float("-inf")}


class Contract:
    """What clients rely on. A new version keeps each promise and adds no demand."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.promises: Facts = set()
        self.demands: Facts = set()
        self.bounds: dict[tuple[str, str, str], float] = {}
        for path in document["paths"].values():
            for operation in path.values():
                self.operation = operation["operationId"]
                self._add(operation)

    def _add(self, operation: dict[str, Any]) -> None:
        self._promise("", "exists")
        if {} not in (operation["security"] or [{}]):
            self._demand("", "needs a token")
        for each in operation.get("parameters", ()):
            self._input(f"{each['in']} {each['name']}", each.get("required"))
            self._schema(f"{each['in']} {each['name']}", each["schema"], sent=True)
        body = operation.get("requestBody", {})
        for media_type, content in body.get("content", {}).items():
            self._promise(f"body {media_type}", "is accepted")
            self._schema(f"body {media_type}", content["schema"], sent=True)
        if body.get("required"):
            self._demand("", "needs a body")
        for status, answer in operation["responses"].items():
            if status < "400":
                self._promise(status, "is answered")
                for name in answer.get("headers", ()):
                    self._promise(f"{status} header {name}", "is answered")
                for media_type, content in answer.get("content", {}).items():
                    schema = content.get("schema", {})
                    self._schema(f"{status} {media_type}", schema, sent=False)

    def _schema(self, at: str, schema: dict[str, Any], *, sent: bool) -> None:
        """Read the schema of a body that clients send, or receive."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = self.document["components"]["schemas"][name]
        for part in schema.get("anyOf", ()) or schema.get("allOf", ()):
            self._schema(at, part, sent=sent)
        if kind := schema.get("type"):
            note = self._promise if sent else self._demand
            note(at, f"is of type {kind}")
        for bound in BOUNDS.keys() & schema.keys() if sent else ():
            self.bounds[self.operation, at, bound] = schema[bound]
        for value in schema.get("enum", ()) if sent else ():
            self._promise(at, f"can be {value}")
        required = schema.get("required", ())
        for name, each in schema.get("properties", {}).items():
            if sent:
                self._input(f"{at}/{name}", name in required)
            elif name in required:
                self._promise(f"{at}/{name}", "is answered")
            self._schema(f"{at}/{name}", each, sent=sent)
        if isinstance(items := schema.get("items"), dict):
            self._schema(f"{at}/*", items, sent=sent)

    def _input(self, at: str, required: bool | None) -> None:
        self._promise(at, "is accepted")
        if required:
            self._demand(at, "is required")

    def _promise(self, at: str, fact: str) -> None:
        self.promises.add((self.operation, at, fact))

    def _demand(self, at: str, fact: str) -> None:
        self.demands.add((self.operation, at, fact))

    def breaks(self, old: "Contract") -> Iterator[tuple[str, str]]:
        """Yield each operation that breaks clients of `old`, with the reason."""
        known = {(operation, at) for operation, at, _ in old.promises | old.demands}
        gone = {each[0] for each in old.promises} - {each[0] for each in self.promises}
        for operation, at, fact in sorted(old.promises - self.promises):
            if operation not in gone or fact == "exists":
                yield operation, f"no longer: {at} {fact}"
        for operation, at, fact in sorted(self.demands - old.demands):
            parent = at.rpartition("/")[0]
            if (operation, at if "is of type" in fact else parent) in known:
                yield operation, f"new: {at} {fact}"
        for (operation, at, bound), value in sorted(self.bounds.items()):
            grows = BOUNDS[bound]
            before = old.bounds.get((operation, at, bound), UNBOUNDED[grows])
            is_tighter = value < before if grows else value > before
            if is_tighter and (operation, at) in known:
                yield operation, f"new: {at} {bound} is {value:g}"
