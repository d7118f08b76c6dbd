from app.api.v1.endpoints import audit, auth, health, products, users

# The busiest first: a request is compared with one after the other. Each is included
# in the application itself, as every router in between costs a comparison more.
ROUTERS = (products.router, users.router, auth.router, audit.router, health.router)
