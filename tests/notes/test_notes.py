"""The rules of notes themselves. Other tests use notes to test shared code."""

import pytest
from httpx2 import Response

from tests.support.people import Client, People

GROCERIES = {"title": "Groceries", "text": "Bread", "budget": "12.50"}


async def write(client: Client, **fields: str) -> dict[str, str]:
    response = await client.post("/notes", json=GROCERIES | fields)
    assert response.status_code == 201, response.text
    note: dict[str, str] = response.json()
    return note


class TestCreateNote:
    async def test_returns_the_note_that_its_location_names(self, user: Client) -> None:
        created = await user.post("/notes", json=GROCERIES)
        read = await user.get(f"http://test{created.headers['location']}")

        assert created.status_code == 201
        assert read.json() == created.json()
        assert read.json() == read.json() | GROCERIES | {"likes": 0, "version": 1}
        assert read.headers["etag"] == created.headers["etag"] == '"v1"'

    async def test_refuses_a_taken_title(self, user: Client, editor: Client) -> None:
        await write(user)
        refused = await user.post("/notes", json=GROCERIES)

        assert refused.status_code == 409
        assert refused.json()["code"] == "title_taken"
        await write(editor)


class TestUpdateNote:
    async def test_changes_the_fields_that_were_sent(self, user: Client) -> None:
        note = await write(user)
        url, match = f"/notes/{note['id']}", {"If-Match": '"v1"'}

        changed = await user.patch(url, json={"text": "Milk"}, headers=match)
        stale = await user.patch(url, json={"text": "Jam"}, headers=match)

        assert changed.json()["text"] == "Milk"
        assert changed.json()["title"] == GROCERIES["title"]
        assert (stale.status_code, stale.headers["etag"]) == (412, '"v2"')

    async def test_refuses_a_taken_title(self, user: Client) -> None:
        await write(user)
        other = await write(user, title="Books")

        refused = await user.patch(
            f"/notes/{other['id']}",
            json={"title": GROCERIES["title"]},
            headers={"If-Match": "*"},
        )

        assert refused.json()["code"] == "title_taken"


class TestLikeNote:
    async def test_adds_to_the_earlier_likes(self, user: Client) -> None:
        note = await write(user)
        url = f"/notes/{note['id']}/likes"

        answers = [await user.post(url, json={"delta": delta}) for delta in (3, -1)]

        assert [answer.json()["likes"] for answer in answers] == [3, 2]


class TestUploadNote:
    async def test_stores_a_file_larger_than_other_bodies(self, user: Client) -> None:
        file, headers = "word " * 20_000, {"Content-Type": "text/plain"}
        url = "/notes/upload?title=Long"

        stored = await user.post(url, content=file, headers=headers)
        refused = await user.post(url, content=file * 20, headers=headers)

        assert (stored.status_code, stored.json()["text"]) == (201, file)
        assert refused.status_code == 413


class TestListNotes:
    async def test_filters_and_sorts(self, user: Client) -> None:
        for title, budget in ("A", "3.00"), ("B", "1.00"):
            await write(user, title=title, budget=budget)
        liked = await write(user, title="C", budget="2.00")
        await user.post(f"/notes/{liked['id']}/likes", json={"delta": 1})

        for query, titles in {
            "": "CBA",
            "sort=title": "ABC",
            "sort=-budget": "ACB",
            "max_budget=2.00": "CB",
            "liked=true": "C",
            "liked=false": "BA",
        }.items():
            page = (await user.get(f"/notes?{query}")).json()
            assert "".join(note["title"] for note in page["items"]) == titles


class TestExportNotes:
    async def test_is_one_text(self, user: Client) -> None:
        empty = await user.get("/notes/export")
        await write(user)
        full = await user.get("/notes/export")

        assert (empty.status_code, empty.text) == (200, "")
        assert full.text == "# Groceries\n\nBread\n\n"


class TestOwnership:
    @pytest.mark.parametrize("owned", [True, False])
    async def test_only_the_owner_reads_and_changes_a_note(
        self, people: People, owned: bool
    ) -> None:
        """Mutant: ignore the owner in a query."""
        owner, other = await people.sign_in(), await people.sign_in()
        url = f"/notes/{(await write(owner))['id']}"
        caller, match = owner if owned else other, {"If-Match": "*"}

        answers: list[Response] = [
            await caller.get(url),
            await caller.patch(url, json={"text": "Milk"}, headers=match),
            await caller.post(f"{url}/likes", json={"delta": 1}),
            await caller.delete(url, headers=match),
        ]
        listed = (await other.get("/notes")).json()["items"]
        exported = await other.get("/notes/export")

        statuses = [answer.status_code for answer in answers]
        assert statuses == ([200, 200, 200, 204] if owned else [404] * 4)
        assert (listed, exported.text) == ([], "")
