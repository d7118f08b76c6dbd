"""Route plans handle a request as FastAPI handles the same request."""

from typing import Any

import pytest
from fastapi.exceptions import DependencyScopeError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.api.authorization import api_routes
from app.api.route_plan import plan
from app.main import create_application
from tests.conftest import make_settings
from tests.notes.served import ROUTERS_WITH_NOTES
from tests.support.dependants import (
    PARAMETERS,
    QUERIES,
    RESPONSE,
    Answer,
    Case,
    Link,
    Node,
    handle,
)

MODELS = {"plain", "listed", "unlisted"}
PAIRS = ["needed=1", "needed=x", "limit=2", "limit=0", "limit=", "tags=b", "made=4"]
PAIRS += ["max=2", "tag=c", "tag=d", "sort=up", "tags=c", "checked=8"]
LINES = [("x-mark", "m"), ("x-lines", "a"), ("x-lines", "b"), ("x-size", "4")]
LINES += [("x-size", "x"), ("X_Kept", "6"), ("x-kept", "7"), ("cookie", "cookie=1")]
BODIES = [b"", b"null", b"[]", b"{}", b'{"size": 2}', b'{"size": "x"}']
BODIES += [b'{"data": {"size": 3}}', b'{"data": {"size": "x"}, "more": {"size": 4}}']
OPTIONS: list[tuple[tuple[tuple[str, Any], ...], list[Any]]] = [
    ((), [1, None, {"value": 1}, RESPONSE]),
    ((("status_code", 204),), [None]),
    (
        (("response_model", Answer), ("response_model_exclude_none", True)),
        [{"value": 1}, {"value": "x"}, {"value": 1, "note": "n"}, RESPONSE],
    ),
    ((("response_model", Answer), ("status_code", 201)), [{"value": 1, "more": 2}]),
]


def ordered(values: Any) -> tuple[str, ...]:
    return tuple(name for name in PARAMETERS if name in values)


parameters = st.one_of(
    st.sets(st.sampled_from([n for n in PARAMETERS if n not in MODELS]), max_size=4),
    st.tuples(
        st.sampled_from(sorted(MODELS)),
        st.sampled_from([n for n in PARAMETERS if n not in QUERIES | MODELS]),
    ),
).map(ordered)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    nodes: list[Node] = []
    count = draw(st.integers(1, 5))
    for number in range(count):
        is_endpoint = number == count - 1
        kinds = ["coroutine"] * 6 + ["sync"]
        if not is_endpoint:
            kinds += ["function", "request"] * 3
        links = st.builds(
            Link,
            to=st.integers(0, max(0, number - 1)),
            use_cache=st.booleans(),
            scopes=st.sampled_from([(), (), (), ("a",), ("b", "a")]),
            named=st.booleans() if is_endpoint else st.just(True),
        )
        nodes.append(
            Node(
                kind=draw(st.sampled_from(kinds)),
                parameters=draw(parameters),
                links=tuple(draw(st.lists(links, max_size=3 if number else 0))),
                raises=draw(st.integers(0, 9)) == 9,
            )
        )
    options, results = draw(st.sampled_from(OPTIONS))
    return Case(
        nodes=tuple(nodes),
        path=draw(st.sampled_from(["/1", "/1", "/x"])),
        query="&".join(draw(st.lists(st.sampled_from(PAIRS), max_size=4, unique=True))),
        headers=tuple(draw(st.lists(st.sampled_from(LINES), max_size=4))),
        body=draw(st.sampled_from(BODIES)),
        options=options,
        result=draw(st.sampled_from(results)),
        overridden=draw(st.integers(0, 9)) == 9,
    )


REPEATED = Case(
    nodes=(Node(parameters=("tags",)), Node(parameters=("plain",), links=(Link(0),))),
    query="tags=b&tags=c",
)


@settings(max_examples=300)
@example(REPEATED)
@given(case=cases())
def test_a_plan_handles_a_request_as_fastapi_does(case: Case) -> None:
    """Compare the order and the arguments of all calls, and every byte of the answer.

    Mutants: call a dependency twice; ignore `use_cache=False`; leave out the faults of
    a later dependency; end a generator before it gets the error of the endpoint.
    """
    try:
        expected = handle(case, planned=False)
    except DependencyScopeError:
        assume(False)
    assert handle(case, planned=True) == expected


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_absent_parameter_has_the_same_value_as_in_fastapi(name: str) -> None:
    """Mutant: make a default value once, although FastAPI makes it for each call."""
    case = Case((Node(parameters=(name,)), Node(parameters=(name,), links=(Link(0),))))

    assert handle(case, planned=True) == handle(case, planned=False)


def test_every_route_has_a_plan() -> None:
    """Mutant: write a dependency of the application as a plain `def`."""
    app = create_application(make_settings(), ROUTERS_WITH_NOTES)

    async def fastapi(_: Any) -> Any: ...

    routes: list[Any] = [*api_routes(app)]
    assert [each.path for each in routes if plan(each, fastapi) is fastapi] == []


def test_the_document_does_not_depend_on_plans() -> None:
    documents = [
        create_application(make_settings(route_plans=on), ROUTERS_WITH_NOTES).openapi()
        for on in (True, False)
    ]

    assert documents[0] == documents[1]
