"""Importing and exporting products as files."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from httpx2 import Response

from tests.support.people import Client

MUG = {"sku": "MUG-1", "name": "Blue mug", "price": "12.50", "currency": "EUR"}
NDJSON, CSV = "application/x-ndjson", "text/csv"


async def send(
    client: Client, body: bytes, media_type: str = NDJSON, mode: str = "", key: str = ""
) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    headers = {"Content-Type": media_type} | ({"Idempotency-Key": key} if key else {})
    url = "/products/import" + (f"?mode={mode}" if mode else "")
    return await client.post(url, content=chunks(), headers=headers)


def ndjson(*products: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(product).encode() + b"\n" for product in products)


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    page = await client.get("/products", params={"limit": 100})
    return {product["sku"]: product for product in page.json()["items"]}


class TestImport:
    async def test_creates_and_updates_by_sku(self, editor: Client) -> None:
        first = await send(
            editor,
            ndjson({**MUG, "stock": 5, "category": "kitchen"}, {**MUG, "sku": "B"}),
        )
        before = await listed(editor)
        again = await send(
            editor, ndjson({**MUG, "price": "9", "stock": 2}, {**MUG, "sku": "C"})
        )

        report = {"failed": 0, "errors": []}
        assert first.status_code == again.status_code == 200, again.text
        assert first.json() == {"created": 2, "updated": 0, **report}
        assert again.json() == {"created": 1, "updated": 1, **report}
        after = await listed(editor)
        assert set(after) == {"MUG-1", "B", "C"}
        changed = {"price": "9.00", "stock": 2, "version": 2}
        updated_at = after["MUG-1"]["updated_at"]
        assert after["MUG-1"] == {
            **before["MUG-1"],
            **changed,
            "updated_at": updated_at,
        }
        assert (after["C"]["stock"], after["C"]["status"]) == (0, "draft")
        moves = await editor.get(f"/products/{after['MUG-1']['id']}/movements")
        [move] = moves.json()["items"]
        assert (move["delta"], move["stock_after"], move["reason"]) == (-3, 2, "import")
        assert move["actor_id"] == editor.user_id

    async def test_makes_many_rows_searchable(self, editor: Client) -> None:
        rows = [{**MUG, "sku": f"S{n}", "name": f"Thing {n}"} for n in range(5000)]

        response = await send(editor, ndjson(*rows))

        assert response.json()["created"] == 5000
        found = (await editor.get("/products", params={"q": "thing 4321"})).json()
        assert [product["sku"] for product in found["items"]] == ["S4321"]

    @pytest.mark.parametrize("mode", ["strict", "partial"])
    async def test_reports_each_faulty_line(self, editor: Client, mode: str) -> None:
        """Mutant: store the valid rows of a strict import."""
        good = ndjson(MUG)
        body = b"".join(
            [
                good,
                b"\n",
                ndjson({**MUG, "sku": "A", "price": "x"}),
                b"{not json}\n",
                ndjson({**MUG, "sku": "D"}).replace(b"{", b'{"sku": "E", '),
                ndjson({**MUG, "sku": "F", "name": "a\0b"}),
                ndjson({**MUG, "sku": "G", "colour": "red"}),
                b"x" * 70_000 + b"\n",
                good,
                b"[" * 5000 + b"\n",
                b'"\\ud800"\n',
                b"\xff\xfe\n",
                ndjson({**MUG, "sku": "LAST"})[:-1],
            ]
        )

        response = await send(editor, body, mode=mode)

        report = response.json()
        found = {fault["line"]: fault["code"] for fault in report["errors"]}
        expected = {
            3: "value_error",
            4: "json_invalid",
            5: "body_malformed",
            6: "nul_character",
            7: "extra_forbidden",
            8: "line_too_long",
            10: "json_invalid",
            11: "json_invalid",
            12: "json_invalid",
        }
        if mode == "partial":
            expected[9] = "sku_repeated"
            assert response.status_code == 200
            assert (report["created"], report["failed"]) == (2, 10)
            assert set(await listed(editor)) == {"MUG-1", "LAST"}
        else:
            assert response.status_code == 422
            assert report["code"] == "import_rejected"
            counts = (report["created"], report["updated"], report["failed"])
            assert counts == (0, 0, 9)
            assert await listed(editor) == {}
        assert found == expected
        assert {"line", "pointer", "code", "message"} <= set(report["errors"][0])

    @pytest.mark.parametrize(
        ("member", "pointer"),
        [
            ({"hunter2": 1}, "#"),
            ({"hunter2": "\0"}, "#"),
            ({"id": {"hunter2": "\0"}}, "#/id"),
            ({"stock": -1}, "#/stock"),
        ],
    )
    async def test_names_only_known_members(
        self, editor: Client, member: dict[str, Any], pointer: str
    ) -> None:
        """Mutant: repeat names of the file that the service does not know."""
        response = await send(editor, ndjson({**MUG, **member}))

        [fault] = response.json()["errors"]
        assert fault["pointer"] == pointer
        assert "hunter2" not in response.text

    async def test_counts_the_invalid_rows(self, editor: Client) -> None:
        response = await send(editor, ndjson({**MUG, "stock": -1}))

        assert response.json()["detail"] == ("Nothing was imported. Invalid rows: 1.")

    async def test_refuses_a_repeated_sku(self, editor: Client) -> None:
        response = await send(editor, ndjson(MUG, MUG))

        assert response.status_code == 422
        [fault] = response.json()["errors"]
        assert (fault["line"], fault["code"]) == (2, "sku_repeated")
        assert await listed(editor) == {}

    async def test_reports_at_most_a_hundred_faults(self, editor: Client) -> None:
        body = b"x\n" * 3000 + ndjson(MUG)

        response = await send(editor, body, mode="partial")

        assert response.json()["failed"] == 3000
        assert len(response.json()["errors"]) == 100

    async def test_reads_csv(self, editor: Client) -> None:
        body = (
            "\ufeffprice,sku,name,currency,stock,description\r\n"
            '12.5,A,"Mug, ""blue""",EUR,3,"two\nlines"\r\n'
            "1,B,'=Sum,EUR,,\r\n"
            "1,C,Name,EUR,x,\r\n"
            "1,D\r\n"
        ).encode()

        response = await send(editor, body, CSV, "partial")

        assert response.status_code == 200, response.text
        found = {fault["line"]: fault["code"] for fault in response.json()["errors"]}
        assert found == {5: "int_type", 6: "row_malformed"}
        message = response.json()["errors"][-1]["message"]
        assert message == "Expected 6 columns, found 2."
        products = await listed(editor)
        assert products["A"]["name"] == 'Mug, "blue"'
        assert products["A"]["description"] == "two\nlines"
        assert (products["A"]["price"], products["A"]["stock"]) == ("12.50", 3)
        assert products["B"]["name"] == "=Sum"

    async def test_reads_the_lines_after_an_unbalanced_quote(
        self, editor: Client
    ) -> None:
        """Mutant: let a quote in the middle of a cell begin a quoted cell."""
        rows = (
            'A,5" nail,1,EUR\nB,6" x 7" board,1,EUR\nC,nail,1,EUR\n'
            'D,"nail" 8,1,EUR\nE,nail,1,EUR\nF,"nail,1,EUR\nG,nail,1,EUR\n'
        )

        response = await send(
            editor, b"sku,name,price,currency\n" + rows.encode(), CSV, "partial"
        )

        products = await listed(editor)
        assert set(products) == {"A", "B", "C", "E"}
        assert products["A"]["name"] == '5" nail'
        first, last = response.json()["errors"]
        assert (first["line"], last["line"]) == (5, 7)
        assert last["message"].endswith("It continues to line 8. Is a quote missing?")

    @pytest.mark.parametrize(
        "header", ["a,b", "sku,name,price", "sku,sku,name,price,currency"]
    )
    async def test_refuses_csv_with_an_invalid_header(
        self, editor: Client, header: str
    ) -> None:
        body = f"{header}\nA,Name,1,EUR\n".encode()

        response = await send(editor, body, CSV, "partial")

        [fault] = response.json()["errors"]
        assert (fault["line"], fault["code"]) == (1, "header_invalid")

    async def test_keeps_the_fields_that_a_row_omits(self, editor: Client) -> None:
        """Mutant: store null in the fields that a new product omits."""
        rest = {"description": "d", "category": "c", "stock": 5, "status": "active"}
        nothing = dict.fromkeys(rest)
        await send(editor, ndjson({**MUG, **rest}))

        responses = [
            await send(editor, ndjson({**MUG, **nothing}, {**MUG, "sku": "NEW"})),
            await send(editor, ndjson(MUG)),
        ]

        assert [response.status_code for response in responses] == [200, 200]
        products = await listed(editor)
        assert rest.items() <= products["MUG-1"].items()
        assert (products["NEW"]["stock"], products["NEW"]["status"]) == (0, "draft")

    async def test_with_a_repeated_idempotency_key_is_done_once(
        self, editor: Client
    ) -> None:
        body = ndjson(*({**MUG, "sku": f"S{n}"} for n in range(50)))

        first = await send(editor, body, key="k")
        again = await send(editor, body, key="k")
        other = await send(editor, body + ndjson(MUG), key="k")

        assert first.json()["created"] == 50
        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"
        assert other.json()["code"] == "idempotency_key_reused"
        assert len(await listed(editor)) == 50

    async def test_needs_an_editor_and_a_supported_media_type(
        self, editor: Client, user: Client
    ) -> None:
        assert (await send(user, ndjson(MUG))).status_code == 403
        response = await send(editor, ndjson(MUG), "application/json")
        assert response.status_code == 415

    async def test_reads_only_uncompressed_utf_8(self, editor: Client) -> None:
        """Mutant: read another charset, or gzip, as if it were plain UTF-8."""
        row = ndjson(MUG)
        for parameters, status in (
            ("", 200),
            (";charset=UTF-8", 200),
            ('; header=present; charset="us-ascii"', 200),
            ("; charset=utf-8;", 200),  # RFC 9110 §5.6.6: parameters can be empty
            (";;charset=utf-16", 415),
            ("; charset=iso-8859-1", 415),
            ("; charset=utf-8; charset=utf-16", 415),
        ):
            type_ = f"application/x-ndjson{parameters}"
            assert (await send(editor, row, type_)).status_code == status

        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        packed = await editor.post("/products/import", content=row, headers=headers)
        assert packed.status_code == 415
        assert packed.headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize("overrides", [{"import_max_body_bytes": 100_000}])
    async def test_has_its_own_body_limit(self, editor: Client) -> None:
        row = ndjson({**MUG, "description": "x" * 4000})
        body = b"".join(row.replace(b"MUG-1", b"S%d" % n) for n in range(24))

        assert (await send(editor, body)).status_code == 200
        assert (await send(editor, body + body)).status_code == 413


class TestExport:
    @pytest.mark.parametrize(
        ("format_", "media_type"), [("ndjson", NDJSON), ("csv", CSV)]
    )
    async def test_can_be_imported_again(
        self, editor: Client, format_: str, media_type: str
    ) -> None:
        texts = ["=1+1", "+1", "-1", "@x", "'=quoted", "it's", 'a,"b"', "two\nlines"]
        texts += ["\uff1d1+1", "'\uff0b1", "x;=1", "x;'=1", 'x;"=1"', ";;\t=1", "x\n'-"]
        texts += ['"=1', "'", "''=", ";''", "x; =1", "\t\r\n'=", "a,'b"]
        rows = [
            {**MUG, "sku": f"S{n}", "description": f"{text}", "name": "Mug"}
            for n, text in enumerate(texts)
        ]
        rows += [{**MUG, "sku": "N", "name": "=1;=2"}]
        await send(editor, ndjson(*rows))
        before = await listed(editor)

        exported = await editor.get("/products/export", params={"format": format_})
        again = await send(editor, exported.content, media_type)

        assert exported.headers["content-type"].startswith(media_type)
        assert again.json()["updated"] == len(rows)
        unchanged = ("name", "price", "stock", "created_at", "id", "description")
        after = await listed(editor)
        for sku, product in before.items():
            assert [product[n] for n in unchanged] == [after[sku][n] for n in unchanged]

    async def test_has_the_same_fields_as_the_list(self, editor: Client) -> None:
        await send(editor, ndjson({**MUG, "stock": 3}, {**MUG, "sku": "B"}))

        exported = await editor.get("/products/export")

        lines = [json.loads(line) for line in exported.text.splitlines()]
        assert {line["sku"]: line for line in lines} == await listed(editor)

    async def test_escapes_formulas_in_csv(self, editor: Client) -> None:
        """Mutant: write cells that a spreadsheet would execute."""
        names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\uff1d1+1"]
        names += ["x;=cmd|' /C calc'!A0", 'x;"=1"', "x,+1", ";;=1"]
        rows = [{**MUG, "sku": f"S{n}", "name": name} for n, name in enumerate(names)]
        await send(editor, ndjson(*rows))

        exported = await editor.get("/products/export?format=csv")

        for separator in ",;\t":  # spreadsheets split at different characters
            rows_read = csv.reader(exported.text.splitlines(), delimiter=separator)
            cells = [cell for row in rows_read for cell in row]
            assert not [each for each in cells if each[:1] in tuple("=+-@\uff1d\t\r\n")]

    @pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
    async def test_answers_head_without_reading_products(
        self, editor: Client, database_url: str
    ) -> None:
        """Mutant: answer HEAD by discarding the content of GET."""
        whole = await editor.get("/products/export?format=csv")
        connection = await asyncpg.connect(database_url)
        async with connection.transaction(), asyncio.timeout(60):
            await connection.execute("LOCK TABLE products")
            headers = await editor.head("/products/export?format=csv")
        await connection.close()

        assert (headers.status_code, headers.content) == (200, b"")
        for name in ("content-type", "content-disposition", "cache-control"):
            assert headers.headers[name] == whole.headers[name]
        assert "content-length" not in headers.headers

    async def test_refuses_unknown_parameters(self, editor: Client) -> None:
        """Mutant: ignore such parameters, so that every product is exported."""
        exported = await editor.get("/products/export?status=archived")
        imported = await editor.post(
            "/products/import?Mode=partial",
            content=ndjson(MUG),
            headers={"Content-Type": NDJSON},
        )

        faults = [each.json()["errors"][0] for each in (exported, imported)]
        assert [exported.status_code, imported.status_code] == [422, 422]
        assert [each["pointer"] for each in faults] == ["query", "query"]
        assert await listed(editor) == {}

    async def test_is_for_editors(self, user: Client, client: Client) -> None:
        assert (await user.get("/products/export")).status_code == 403
        assert (await client.get("/products/export")).status_code == 401
