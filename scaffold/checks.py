"""The tests of a new resource."""

import json
from textwrap import fill as fill_text

from scaffold.behaviour import taken_code, what
from scaffold.fields import Field
from scaffold.resource import Resource, fill, lines

TAKEN = """
    async def test_refuses_a_taken_{what}(
        self, {writer}: Client, fields: dict[str, Any]
    ) -> None:
        await {writer}.post("/{path}", json=fields)

        refused = await {writer}.post("/{path}", json=fields)

        assert refused.status_code == 409
        assert refused.json()["code"] == "{code}"
"""
UNKNOWN = """
    async def test_refuses_a_reference_to_a_missing_row(
        self, {writer}: Client, fields: dict[str, Any]
    ) -> None:
        fields["{field}"] = str(UUID(int=0))

        refused = await {writer}.post("/{path}", json=fields)

        assert refused.status_code == 409
        assert refused.json()["code"] == "{singular}_reference_unknown"
"""
FOR_EDITORS = """
    async def test_is_for_editors(
        self, client: Client, user: Client, fields: dict[str, Any]
    ) -> None:
        answers = [
            await caller.post("/{path}", json=fields) for caller in (client, user)
        ]

        assert [answer.status_code for answer in answers] == [401, 403]
"""
OF_THE_CALLER = """
    async def test_shows_it_to_its_owner_only(
        self, user: Client, editor: Client, fields: dict[str, Any]
    ) -> None:
        created = (await user.post("/{path}", json=fields)).json()

        read = await editor.get(f"/{path}/{{created['id']}}")
        listed = await editor.get("/{path}")

        assert (read.status_code, listed.json()["items"]) == (404, [])
"""
FILTER = """
    async def test_filters(self, {writer}: Client, fields: dict[str, Any]) -> None:
        await {writer}.post("/{path}", json=fields)
        for name, found, missed in (
{rows}
        ):
            pages = [
                (await {writer}.get("/{path}", params={{name: value}})).json()
                for value in (found, missed)
            ]
            assert [len(page["items"]) for page in pages] == [1, 0], name
"""


def tests(resource: Resource) -> str:
    writer = "user" if resource.owned else "editor"
    words = resource.words()
    values = {**words, "writer": writer}
    taken = unknown = ""
    if resource.unique:
        code = taken_code(resource)
        taken = TAKEN.format(**values, what=what(resource).replace(" ", "_"), code=code)
    if resource.references:
        unknown = UNKNOWN.format(**values, field=resource.references[0].name)
    filters = [_filter(field) for field in resource.fields if field.filter]
    rows = [f"({text})," for text in filters]
    access = OF_THE_CALLER if resource.owned else FOR_EDITORS
    unique = [f'"{field.name}": {_numbered(field)}' for field in resource.unique]
    fields = (f'"{each.name}": {_value(resource, each)},' for each in resource.fields)
    return fill(
        "tests.py.txt",
        **values,
        references="app: FastAPI" if resource.references else "",
        fields=lines(fields, 8),
        taken_test=taken,
        unknown_test=unknown,
        access_test=access.format(**values),
        change=_change(resource),
        other=f" | {{{', '.join(unique)}}}" if unique else "",
        sorts=", ".join(f'"{order}"' for order in resource.orders),
        filter_test=FILTER.format(**values, rows=lines(rows, 12)) if rows else "",
    )


def _value(resource: Resource, field: Field) -> str:
    if field.kind == "ref":
        return f'str(await insert_row(app, "{resource.tables[field.name]}"))'
    return field.example


def _change(resource: Resource) -> str:
    field = next(each for each in resource.fields if each.kind != "ref")
    return f'"{field.name}": {field.larger}'


def _numbered(field: Field) -> str:
    return 'f"{n}@example.org"' if field.kind == "email" else 'f"{n}"'


def _filter(field: Field) -> str:
    """Return the name of a filter, a value that finds the row, and another value."""
    if field.kind == "ref":
        return f'"{field.name}", fields["{field.name}"], str(UUID(int=0))'
    found, missed = (
        json.dumps(str(json.loads(value.lower() if field.kind == "bool" else value)))
        for value in (field.example, field.larger)
    )
    if field.kind == "bool":
        found, missed = found.lower(), missed.lower()
    name = f"min_{field.name}" if field.filter == "range" else field.name
    return f'"{name}", {found}, {missed}'


def query_plans(resource: Resource) -> str:
    queries = [
        "{}",
        *(
            f'{{"{field.name}": "{_common(field)}"}}'
            for field in resource.fields
            if field.filter == "equal"
        ),
        *(f'{{"sort": "{order}"}}' for order in resource.orders[2:]),
    ]
    columns = [field.name for field in resource.fields]
    values = [field.sql for field in resource.fields]
    if resource.owned:
        columns.append("owner_id")
        values.append("{user}")
    made = [
        f'"{field.name}": {_value(resource, field)}' for field in resource.references
    ]
    ids = ['"user": user.user_id', *made] if resource.owned else made
    return fill(
        "test_query_plans.py.txt",
        **resource.words(),
        queries=lines((f"{query}," for query in queries), 8),
        columns=wrapped([*columns, "version", "created_at", "updated_at"]),
        values=wrapped([*values, "1", "{at}", "{at}"]),
        ids=f"    ids = {{{', '.join(ids)}}}\n" if ids else "",
        pass_ids=", **ids" if ids else "",
    )


def wrapped(parts: list[str]) -> str:
    return fill_text(", ".join(parts), width=70).replace("\n", "\n        ")


def _common(field: Field) -> str:
    """A value that many rows have."""
    match field.kind:
        case "ref":
            return f"{{{field.name}}}"
        case "str":
            return "A"
        case "bool":
            return "true"
    return str(json.loads(field.example))
