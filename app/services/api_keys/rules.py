"""The limits of API keys, and the errors for requests that exceed the limits."""

from app.core.errors import Conflict, Forbidden, InvalidRequest, NotFound

MAX_KEYS = 50
DEFAULT_DAYS = 90
# No API key has these scopes, because a thief of the key could use them to keep access
# to the account.
WITHHELD = frozenset({"account:write"})


class ApiKeyNotFound(NotFound):
    """The caller has no live API key with this id."""

    code = "api_key_not_found"
    detail = "You have no live API key with this id."


class TooManyApiKeys(Conflict):
    """The user already has the largest allowed number of live API keys."""

    code = "too_many_api_keys"
    detail = f"An account has at most {MAX_KEYS} API keys. First revoke one."


class ApiKeyScopeRefused(Forbidden):
    """The request asks for a scope that an API key of the caller cannot have."""

    code = "api_key_scope_refused"


class ApiKeyTooLong(InvalidRequest):
    """The API key would be valid for longer than `API_KEY_MAX_DAYS`."""

    code = "api_key_too_long"

    def __init__(self, most: int) -> None:
        detail = f"An API key is valid for at most {most} days."
        fault = {"pointer": "#/expires_in_days", "code": self.code, "message": detail}
        super().__init__(detail, [fault])
