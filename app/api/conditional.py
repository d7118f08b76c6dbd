"""Entity tags (RFC 9110 §13): read only what is new, change only what is known."""

import re
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Response
from starlette.status import HTTP_304_NOT_MODIFIED

from app.core.errors import BadRequest
from app.services.versions import ExpectedVersion, VersionRequired

_STRONG = re.compile(r'"v([1-9][0-9]{0,17})"', re.ASCII)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_LIST = re.compile(rf"\s*{_TAG.pattern}(?:\s*,\s*{_TAG.pattern})*\s*")


LONGEST = 1024

# Documented, not validated by the schema: what is wrong with it is a 400 of its own.
IF_MATCH = {
    "pattern": r'^(\*|((W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)?)$',
    "examples": ['"v1"'],
}
IfMatch = Annotated[str | None, Header(json_schema_extra=IF_MATCH)]


class Versioned(Protocol):
    @property
    def version(self) -> Any: ...


Resource = TypeVar("Resource", bound=Versioned)


class IfMatchInvalid(BadRequest):
    """`If-Match` is neither `*` nor a list of entity tags."""

    code = "if_match_invalid"


def etag(version: int) -> str:
    return f'"v{version}"'


class Tagged:
    """Adds the entity tag of what an endpoint returns to its response."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def __call__(self, resource: Resource) -> Resource:
        self.response.headers["ETag"] = etag(resource.version)
        return resource


class ConditionalGet:
    """Answers 304 without a body when the client already has this version."""

    def __init__(self, response: Response, if_none_match: str | None) -> None:
        self.response = response
        self.if_none_match = if_none_match

    def __call__(self, resource: Resource) -> Resource | Response:
        headers = {"ETag": etag(resource.version), "Cache-Control": "private, no-cache"}
        if self.if_none_match is not None and self._has(headers["ETag"]):
            return Response(status_code=HTTP_304_NOT_MODIFIED, headers=headers)
        self.response.headers.update(headers)
        return resource

    def _has(self, tag: str) -> bool:
        # Weak comparison: for reading, W/"v1" and "v1" are the same.
        given = self.if_none_match or ""
        tags = (known.removeprefix("W/") for known in _TAG.findall(given))
        return given.strip() == "*" or tag in tags


async def expected_version(
    if_match: IfMatch = None,
) -> ExpectedVersion:
    """Read `If-Match`; without one, any version will do."""
    if if_match is None or if_match.strip() == "*":
        return ExpectedVersion(None)
    is_list = not if_match.strip() or _LIST.fullmatch(if_match)  # of none, even
    if len(if_match) > LONGEST or not is_list:
        raise IfMatchInvalid('If-Match must be * or tags such as "v1".')
    strong = (_STRONG.fullmatch(tag) for tag in _TAG.findall(if_match))
    return ExpectedVersion(frozenset(int(match[1]) for match in strong if match))


async def required_version(
    if_match: IfMatch = None,
) -> ExpectedVersion:
    if if_match is None:
        raise VersionRequired("Send the ETag of the version you read as If-Match.")
    return await expected_version(if_match)


# `async`, as FastAPI runs the constructor of a class in a thread.
async def get_tagged(response: Response) -> Tagged:
    return Tagged(response)


async def get_conditional(
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=1024)] = None,
) -> ConditionalGet:
    return ConditionalGet(response, if_none_match)


TaggedDep = Annotated[Tagged, Depends(get_tagged)]
ConditionalGetDep = Annotated[ConditionalGet, Depends(get_conditional)]
ExpectedVersionDep = Annotated[ExpectedVersion, Depends(expected_version)]
RequiredVersionDep = Annotated[ExpectedVersion, Depends(required_version)]
