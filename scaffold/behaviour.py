"""The rules and the endpoints of a new resource."""

from scaffold.resource import Resource, fill, lines

TAKEN = '''
class {name}(Conflict):
    """{another} already has this {what}."""

    code = "{code}"

'''
UNKNOWN = '''
class {name}(Conflict):
    """{a_word} refers to something that does not exist."""

    code = "{code}"

'''
FLUSH = """
    async def _flush(self) -> None:
        try:
            await self.session.flush()
        except IntegrityError as error:
"""
REFERENCE = """\
            if is_reference(error):
                raise {unknown}({said}) from error
"""
ONLY = """\
            # The schema has checked everything else.
            # Only {left} be violated.
            raise {name}({said}) from error
"""


def service(resource: Resource) -> str:
    words, owned = resource.words(), resource.owned
    singular, plural = resource.names.singular, resource.names.plural
    upper = words["UPPER"]
    filters = []
    for field in resource.fields:
        column = f"{upper}.{field.name}"
        if field.filter == "range":
            for bound, sign in (("min", ">="), ("max", "<=")):
                name = f"{bound}_{field.name}"
                filters.append(f'"{name}": {column} {sign} bindparam("{name}"),')
        elif field.filter:
            filters.append(f'"{field.name}": {column} == bindparam("{field.name}"),')
    of_owner = f'select(*{upper}).where({upper}.owner_id == bindparam("owner"))'
    return fill(
        "service.py.txt",
        **words,
        No_such="You have no such" if owned else "No such",
        There_is_no_such="You have no such" if owned else "There is no such",
        errors=errors(resource),
        select=f"OF_OWNER = {of_owner}\n" if owned else "",
        of_owner="OF_OWNER" if owned else f"select(*{upper})",
        orders=", ".join(f"{upper}.{name}" for name in resource.sortable),
        filters=lines(filters, 8),
        list_name=f"{plural} of {{owner}}" if owned else plural,
        readers="their owner reads" if owned else "clients read",
        owner_parameter="owner_id: UUID," if owned else "",
        owner_argument="owner_id," if owned else "",
        list_owner=", owner=owner_id" if owned else "",
        value_owner=', "owner": owner_id' if owned else "",
        new_owner="owner_id=owner_id," if owned else "",
        or_of_another=f"or {singular}.owner_id != owner_id" if owned else "",
        flush="_flush" if resource.conflicts else "session.flush",
        flush_method=flush(resource),
    )


def what(resource: Resource) -> str:
    return " or ".join(field.name.replace("_", " ") for field in resource.unique)


def another_one(resource: Resource) -> str:
    words = resource.words()
    if resource.owned:
        return f"Another of your {words['words']}"
    return f"Another {words['word']}"


def errors(resource: Resource) -> str:
    """Write the error classes that `Resource.conflicts` names."""
    text = ""
    if resource.unique:
        text += TAKEN.format(
            name=resource.conflicts[0],
            another=another_one(resource),
            what=what(resource),
            code=taken_code(resource),
        )
    if resource.references:
        text += UNKNOWN.format(
            name=resource.conflicts[-1],
            a_word=resource.words()["a_word"].capitalize(),
            code=f"{resource.names.singular}_reference_unknown",
        )
    return text


def taken_code(resource: Resource) -> str:
    part = f"_{resource.unique[0].name}" if resource.unique_name else ""
    return f"{resource.names.singular}{part}_taken"


def flush(resource: Resource) -> str:
    """Write a method that turns a broken constraint into an error of `conflicts`."""
    if not resource.conflicts:
        return ""
    taken = f'"{another_one(resource)} has this {what(resource)}."'
    refers = " or ".join(
        field.name.removesuffix("_id").replace("_", " ")
        for field in resource.references
    )
    unknown = f'"There is no such {refers}."'
    text = FLUSH
    if resource.unique and resource.references:
        text += REFERENCE.format(unknown=resource.conflicts[-1], said=unknown)
    if resource.unique:
        unique = what(resource) if resource.unique_name else "fields"
        left, said = f"the unique {unique} can", taken
    else:
        left, said = "the references can", unknown
    return text + ONLY.format(left=left, name=resource.conflicts[0], said=said)


def endpoints(resource: Resource) -> str:
    words, owned = resource.words(), resource.owned
    names = ", ".join(resource.conflicts)
    unique = f"; {what(resource)}s are unique" if resource.unique else ""
    return fill(
        "endpoints.py.txt",
        **words,
        error_names=f"{names}," if names else "",
        more_errors=f", {names}" if names else "",
        create_errors=f"responses=documented({names})," if names else "",
        caller="caller" if owned else "_",
        caller_argument="caller.user_id," if owned else "",
        your_words=f"your {words['words']}" if owned else words["words"],
        About=f"{words['Words']} of the caller" if owned else words["Words"],
        unique_note=unique if len(resource.unique) == 1 else "",
    )
