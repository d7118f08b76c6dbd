"""What every body and every answer has in common."""

from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class RequestBody(BaseModel):
    """What a client sends: unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _not_too_long_with_its_space(cls, data: Any) -> Any:
        """Refuse what is short enough only once trimmed: the schema counts it all."""
        if isinstance(data, dict):
            for name, limit in _longest(cls).items():
                value = data.get(name)
                if isinstance(value, str) and len(value) > limit:
                    raise PydanticCustomError(
                        "string_too_long", f"`{name}` may have {limit} characters"
                    )
        return data


@cache
def _longest(model: type[BaseModel]) -> dict[str, int]:
    """Map the names of the fields that hold text to how much of it they hold."""
    properties = model.model_json_schema().get("properties", {})
    return {
        name: longest
        for name, schema in properties.items()
        if (longest := _max_length(schema)) is not None
    }


def _max_length(schema: dict[str, Any]) -> int | None:
    kinds = (schema, *schema.get("anyOf", ()))
    return max(
        (kind["maxLength"] for kind in kinds if "maxLength" in kind), default=None
    )


class QueryParameters(BaseModel):
    """What a client asks for in the URL, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """What a client receives, read straight from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)
