from collections.abc import Generator
from io import BytesIO
from json import dumps

import httpx
from api_client import AuthenticatedClient, Client
from api_client.api.auth import login, refresh
from api_client.api.products import (
    create_product,
    import_products,
    list_products,
    update_product,
)
from api_client.models import (
    Credentials,
    Currency,
    IdempotencyKeyInUseOrSkuTakenProblem,
    IdempotencyKeyInUseOrSkuTakenProblemCode,
    ImportReport,
    PreconditionFailedProblem,
    ProductCreate,
    ProductPage,
    ProductRead,
    ProductUpdate,
    RefreshRequest,
    TokenPair,
)
from api_client.types import UNSET, File


class Tokens(httpx.Auth):
    """Renews the access token on a 401, and sends the request again."""

    requires_request_body = True

    def __init__(self, client: Client, pair: TokenPair) -> None:
        self.client = client
        self.pair = pair

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.pair.access_token}"
        answer = yield request
        if answer.status_code == 401:
            body = RefreshRequest(refresh_token=self.pair.refresh_token)
            renewed = refresh.sync(client=self.client, body=body)
            if isinstance(renewed, TokenPair):
                self.pair = renewed
                request.headers["Authorization"] = f"Bearer {renewed.access_token}"
                yield request


def run(url: str, email: str, password: str) -> list[str]:
    seen = []
    client = Client(base_url=url)
    body = Credentials(email=email, password=password)
    pair = login.sync(client=client, body=body)
    assert isinstance(pair, TokenPair), pair
    tokens = Tokens(client, pair)
    api = AuthenticatedClient(base_url=url, token="", httpx_args={"auth": tokens})

    # You can send the request twice: with the same key it creates only one product.
    mug = ProductCreate(sku="PY-1", name="Mug", price="12.50", currency=Currency.EUR)
    key = "order-4712"
    created = create_product.sync_detailed(client=api, body=mug, idempotency_key=key)
    again = create_product.sync(client=api, body=mug, idempotency_key=key)
    product = created.parsed
    assert isinstance(product, ProductRead), product
    if isinstance(again, ProductRead) and again.id == product.id:
        seen.append("created once")

    # Each status has its own class, with the codes that this operation can return.
    taken = create_product.sync(client=api, body=mug)
    if isinstance(taken, IdempotencyKeyInUseOrSkuTakenProblem):
        is_taken = taken.code == IdempotencyKeyInUseOrSkuTakenProblemCode.SKU_TAKEN
        seen.append("sku taken" if is_taken else "in use")

    tokens.pair.access_token = "expired"
    etag = created.headers["ETag"]
    cup = ProductUpdate(name="Cup")
    changed = update_product.sync(product.id, client=api, body=cup, if_match=etag)
    if isinstance(changed, ProductRead):
        seen.append("changed after a 401")
    stale = update_product.sync(product.id, client=api, body=cup, if_match=etag)
    if isinstance(stale, PreconditionFailedProblem):
        seen.append("conflict")

    rows = [mug.to_dict() | {"sku": sku} for sku in ("PY-2", "PY-3")]
    file = File(payload=BytesIO("\n".join(map(dumps, rows)).encode()))
    report = import_products.sync(client=api, body=file)
    if isinstance(report, ImportReport):
        seen.append(f"imported {report.created}")

    products, cursor = 0, None
    while True:
        page = list_products.sync(client=api, limit=2, cursor=cursor or UNSET)
        assert isinstance(page, ProductPage), page
        products += len(page.items)
        cursor = page.next_cursor
        if not cursor:
            break
    seen.append(f"listed {products}")
    return seen
