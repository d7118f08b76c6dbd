import pytest

from tests.support.declared import document
from tests.support.people import Client

MUG = {"sku": "MUG-1", "name": "Blue mug", "price": "12.50", "currency": "EUR"}


@pytest.mark.parametrize(
    ("field", "longest"), [("sku", "9" * 64), ("price", "999999999999.99")]
)
async def test_the_document_states_the_length_that_the_service_accepts(
    editor: Client, field: str, longest: str
) -> None:
    """Mutant: state another length in the OpenAPI document."""
    schema = document()["components"]["schemas"]["ProductCreate"]["properties"]

    accepted = await editor.post("/products", json={**MUG, field: longest})
    refused = await editor.post("/products", json={**MUG, field: "9" + longest})

    assert schema[field]["maxLength"] == len(longest)
    assert (accepted.status_code, refused.status_code) == (201, 422)
