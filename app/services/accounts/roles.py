"""The scopes of each role, one a line. A role has those of the roles above it, too."""

from app.db.models.user import Role

USER_SCOPES = {
    "account:read",
    "account:write",
}
EDITOR_SCOPES = {
    "products:write",
}
ADMIN_SCOPES = {
    "audit:read",
    "users:read",
    "users:write",
}

SCOPES = {
    Role.USER: frozenset(USER_SCOPES),
    Role.EDITOR: frozenset(USER_SCOPES | EDITOR_SCOPES),
    Role.ADMIN: frozenset(USER_SCOPES | EDITOR_SCOPES | ADMIN_SCOPES),
}

# A login asks for every scope. The role, which each request reads anew, decides.
EVERY_SCOPE = " ".join(sorted(SCOPES[Role.ADMIN]))
