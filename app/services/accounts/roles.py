"""The scopes of each role."""

from app.db.models import Role

_USER = frozenset({"account:read", "account:write"})
_EDITOR = _USER | {"products:write"}
_ADMIN = _EDITOR | {"users:read", "users:write", "audit:read"}

SCOPES = {Role.USER: _USER, Role.EDITOR: _EDITOR, Role.ADMIN: _ADMIN}

# A login asks for every scope. The role, which each request reads anew, decides.
EVERY_SCOPE = " ".join(sorted(_ADMIN))
