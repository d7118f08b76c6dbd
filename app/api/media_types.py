"""Checks that a body has a media type that the route reads, and is text in UTF-8."""

import re
from collections.abc import Collection
from http import HTTPStatus

from starlette.requests import Request

from app.core.errors import AppError

_NAME = r"[\w!#$%&'*+.^`|~-]+"
_MEDIA_TYPE = re.compile(
    rf'({_NAME}/{_NAME})((?:[ \t]*;(?:[ \t]*{_NAME}=(?:{_NAME}|"[\w.-]*"))?)*)[ \t]*',
    re.ASCII,
)
_CHARSET = re.compile(r';[ \t]*charset="?([\w.-]*)', re.ASCII)
_UTF_8 = {"utf-8", "us-ascii"}


class UnsupportedMediaType(AppError):
    """The request body has an unsupported media type, charset or content encoding."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


def media_type_of(request: Request, accepted: Collection[str]) -> str:
    """Return the accepted type that the body has, or raise `UnsupportedMediaType`."""
    codings = ",".join(request.headers.getlist("content-encoding")).lower()
    # A regular expression would take quadratic time for many spaces.
    if {coding.strip(" \t") for coding in codings.split(",")} - {"", "identity"}:
        raise UnsupportedMediaType(
            "The request body must not be compressed.",
            {"Accept-Encoding": "identity"},  # RFC 9110 §12.5.3
        )
    content_type = request.headers.get("content-type", "").lower()
    match = _MEDIA_TYPE.fullmatch(content_type)
    if (
        match is None
        or match[1] not in accepted
        or not _UTF_8.issuperset(_CHARSET.findall(match[2]))
    ):
        raise UnsupportedMediaType(
            f"The request body must be {' or '.join(accepted)} in UTF-8.",
            {"Accept": ", ".join(accepted)},  # RFC 9110 §12.5.1
        )
    return match[1]
