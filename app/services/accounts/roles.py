"""What each role may do."""

from app.db.models.user import Role

_USER = frozenset({"account:read", "account:write"})
_EDITOR = _USER | {"products:write"}
_ADMIN = _EDITOR | {"users:read", "users:write", "audit:read"}

SCOPES = {Role.USER: _USER, Role.EDITOR: _EDITOR, Role.ADMIN: _ADMIN}

# A login is made for all of them: the role, read on each request, decides.
EVERY_SCOPE = " ".join(sorted(_ADMIN))
