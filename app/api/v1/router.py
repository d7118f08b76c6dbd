"""The routers of all resources, one a line."""

from app.api.v1.endpoints import (
    api_keys,
    audit,
    auth,
    email_addresses,
    external_identities,
    health,
    mfa,
    passkeys,
    passwords,
    products,
    totp,
    users,
)

# The busiest routers come first, because FastAPI compares a request with the routers
# one after the other. The application includes each router directly, because FastAPI
# would also compare the request with a common parent.
ROUTERS = (
    *products.ROUTERS,
    users.router,
    auth.router,
    passkeys.router,
    passwords.router,
    email_addresses.router,
    mfa.router,
    totp.router,
    api_keys.router,
    external_identities.router,
    audit.router,
    health.router,
)
