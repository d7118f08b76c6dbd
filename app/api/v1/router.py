"""The routers of all resources, one a line."""

from app.api.v1.endpoints import (
    audit,
    auth,
    email_addresses,
    health,
    passwords,
    products,
    users,
)

# The busiest come first: a request is compared with one router after the other. Each is
# included in the application itself, because a router in between is compared, too.
ROUTERS = (
    *products.ROUTERS,
    users.router,
    auth.router,
    passwords.router,
    email_addresses.router,
    audit.router,
    health.router,
)
