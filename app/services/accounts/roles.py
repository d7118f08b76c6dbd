"""The scopes of each role, one per line."""

from app.db.models.user import Role

USER_SCOPES = [
    "account:read",
    "account:write",
]
EDITOR_SCOPES = [
    *USER_SCOPES,
    "products:write",
]
ADMIN_SCOPES = [
    *EDITOR_SCOPES,
    "audit:read",
    "users:read",
    "users:write",
]

SCOPES = {
    Role.USER: frozenset(USER_SCOPES),
    Role.EDITOR: frozenset(EDITOR_SCOPES),
    Role.ADMIN: frozenset(ADMIN_SCOPES),
}

# Each session gets every scope. The role limits these scopes, and each request reads
# the role again.
EVERY_SCOPE = " ".join(sorted(ADMIN_SCOPES))
