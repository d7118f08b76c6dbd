"""Products on Starlette."""

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.accounts.raw_asgi import find_caller
from bench.products.raw_asgi import SELECT_PRODUCT, SELECT_PRODUCTS, insert, page
from bench.raw_endpoint import dumps, is_known

JSON = "application/json"


async def list_products(request: Request) -> Response:
    limit = int(request.query_params.get("limit", "20"))
    rows = await request.state.pool.fetch(SELECT_PRODUCTS, limit + 1)
    return Response(dumps(page(rows, limit)), media_type=JSON)


async def read_product(request: Request) -> Response:
    product_id = request.path_params["product_id"]
    row = await request.state.pool.fetchrow(SELECT_PRODUCT, product_id)
    if row is None:
        return Response(status_code=404)
    if is_known(request.scope, row["version"]):
        return Response(status_code=304)
    return Response(dumps(dict(row)), media_type=JSON)


async def create_product(request: Request) -> Response:
    pool = request.state.pool
    caller = await find_caller(pool, request.scope)
    if caller is None or caller["role"] == "user":
        return Response(status_code=403 if caller else 401)
    sent = await request.json()
    row = await insert(pool, sent | {"price": Decimal(sent["price"])})
    return Response(dumps(row), 201, media_type=JSON)


ROUTES = [
    Route("/products", list_products),
    Route("/products", create_product, methods=["POST"]),
    Route("/products/{product_id:uuid}", read_product),
]
