"""What every body and every answer has in common."""

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """What a client sends: unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


class QueryParameters(BaseModel):
    """What a client asks for in the URL, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """What a client receives, read straight from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)
