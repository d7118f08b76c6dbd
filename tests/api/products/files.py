"""Product files that tests send."""

import json
from typing import Any

MUG = {"sku": "MUG", "name": "Mug", "price": "12.50", "currency": "EUR"}
NDJSON = {"Content-Type": "application/x-ndjson"}
EXPORT = "/products/export"


def rows(count: int, prefix: str, **fields: Any) -> bytes:
    row = {**MUG, **fields}
    lines = (json.dumps({**row, "sku": f"{prefix}{n}"}) for n in range(count))
    return "\n".join(lines).encode() + b"\n"
