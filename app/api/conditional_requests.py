"""Entity tags (RFC 9110 §13): 304 for a known version, 412 for a stale change."""

import re
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Response
from pydantic import WithJsonSchema
from starlette.status import HTTP_304_NOT_MODIFIED

from app.core.errors import BadRequest
from app.core.preconditions import ExpectedVersion, VersionRequired, etag

_STRONG = re.compile(r'"v([1-9][0-9]{0,17})"', re.ASCII)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
# Elements of a list can be empty, even all of them (RFC 9110 §5.6.1.2).
_EMPTY = r"[ \t,]*"
_LIST = re.compile(
    rf"{_EMPTY}(?:{_TAG.pattern}(?:[ \t]*,{_EMPTY}{_TAG.pattern})*{_EMPTY})?"
)


LONGEST = 1024

# This only documents the header. The code below refuses a malformed header with 400.
IF_MATCH = {
    "type": "string",
    "pattern": r'^(\*|[ ,]*((W/)?"[!#-~]*"( *,[ ,]*(W/)?"[!#-~]*")*[ ,]*)?)$',
    "maxLength": LONGEST,
    "examples": ['"v1"'],
}
# Repeated lines of a header form one list (RFC 9110 §5.3).
Lines = list[str] | None
IfMatch = Annotated[Lines, Header(), WithJsonSchema(IF_MATCH)]
IfNoneMatch = Annotated[Lines, Header(), WithJsonSchema({"type": "string"})]


class Versioned(Protocol):
    @property
    def version(self) -> Any: ...


Resource = TypeVar("Resource", bound=Versioned)


class IfMatchInvalid(BadRequest):
    """`If-Match` must be `*` or a list of entity tags such as `"v1"`."""

    code = "if_match_invalid"


class Tagged:
    """Adds the `ETag` of the returned resource to the response."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def __call__(self, resource: Resource) -> Resource:
        self.response.headers["ETag"] = etag(resource.version)
        return resource


class ConditionalGet:
    """Answers 304 without a body when the client already has this version."""

    def __init__(self, response: Response, if_none_match: Lines) -> None:
        self.response = response
        self.known = ", ".join(if_none_match or ())

    def __call__(self, resource: Resource) -> Resource | Response:
        headers = {"ETag": etag(resource.version), "Cache-Control": "private, no-cache"}
        if self.known and self._has(headers["ETag"]):
            return Response(status_code=HTTP_304_NOT_MODIFIED, headers=headers)
        self.response.headers.update(headers)
        return resource

    def _has(self, tag: str) -> bool:
        # Weak comparison: W/"v1" equals "v1" when reading (RFC 9110 §13.1.2).
        tags = (known.removeprefix("W/") for known in _TAG.findall(self.known))
        return self.known.strip() == "*" or tag in tags


async def expected_version(if_match: IfMatch = None) -> ExpectedVersion:
    """Read `If-Match`. Without this header, accept every version."""
    given = "*" if if_match is None else ", ".join(if_match)
    if given.strip() == "*":
        return ExpectedVersion(None)
    if len(given) > LONGEST or not _LIST.fullmatch(given):
        raise IfMatchInvalid(
            'If-Match must be * or a list of tags such as "v1", '
            f"at most {LONGEST} characters long."
        )
    strong = (_STRONG.fullmatch(tag) for tag in _TAG.findall(given))
    return ExpectedVersion(frozenset(int(match[1]) for match in strong if match))


async def required_version(if_match: IfMatch = None) -> ExpectedVersion:
    if if_match is None:
        raise VersionRequired(
            "Read the resource and send its ETag in the If-Match header."
        )
    return await expected_version(if_match)


# Functions with `async def`, because FastAPI would run the constructor of a class in a
# thread.
async def get_tagged(response: Response) -> Tagged:
    return Tagged(response)


async def get_conditional(
    response: Response, if_none_match: IfNoneMatch = None
) -> ConditionalGet:
    return ConditionalGet(response, if_none_match)


TaggedDep = Annotated[Tagged, Depends(get_tagged)]
ConditionalGetDep = Annotated[ConditionalGet, Depends(get_conditional)]
ExpectedVersionDep = Annotated[ExpectedVersion, Depends(expected_version)]
RequiredVersionDep = Annotated[ExpectedVersion, Depends(required_version)]
