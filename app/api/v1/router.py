from app.api.v1.endpoints import (
    audit,
    auth,
    email_addresses,
    health,
    passwords,
    product_files,
    products,
    users,
)

# The busiest first: a request is compared with one after the other. Each is included
# in the application itself, as every router in between costs a comparison more.
ROUTERS = (
    product_files.router,  # before /products/{product_id}
    products.router,
    users.router,
    auth.router,
    passwords.router,
    email_addresses.router,
    audit.router,
    health.router,
)
