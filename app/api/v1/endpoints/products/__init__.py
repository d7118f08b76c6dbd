"""Products, one at a time and as files."""

from app.api.v1.endpoints.products import files, items

# The files come first: their paths would match `/products/{product_id}`, too.
ROUTERS = (files.router, items.router)
