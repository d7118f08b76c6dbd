"""The words of all scripts, as each database has them."""

from collections.abc import Iterable
from unicodedata import category, normalize, ucd_3_2_0
from uuid import uuid4

from sqlalchemy import make_url, text

from app.core.config import Settings
from app.db import migrate
from app.db.session import Database, transaction
from app.services.products.search import words
from testbed.postgres import execute
from tests.conftest import make_settings

# The first two planes, the plane of tags, and where private use begins and ends.
CODE_POINTS = (*range(1, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200))
LETTERS = {
    letter
    for letter in map(chr, CODE_POINTS)
    if normalize("NFC", letter) == letter and category(letter)[0] in "LNM"
}
POSTGRESQL = """
SELECT name, products_words(name) FROM unnest(CAST(:names AS text[])) AS name
"""
SQLITE = "INSERT INTO products_search (rowid, name) VALUES (:row, :name)"
VOCABULARY = """
CREATE VIRTUAL TABLE temp.vocabulary
USING fts5vocab(main, products_search, 'instance')
"""
IN_C = "TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
IN_ORDER = 'SELECT doc, term FROM temp.vocabulary ORDER BY doc, "offset"'


async def words_of(settings: Settings, names: Iterable[str]) -> dict[str, list[str]]:
    """The words that products of these names are found by."""
    database = Database(settings)
    try:
        async with transaction(database) as session:
            if database.writer.dialect.name == "postgresql":
                found = await session.execute(text(POSTGRESQL), {"names": [*names]})
                return {name: made.split(" ") for name, made in found}
            numbered = dict(enumerate(names, 1))
            rows = [{"row": row, "name": name} for row, name in numbered.items()]
            await session.execute(text(SQLITE), rows)
            await session.execute(text(VOCABULARY))
            made: dict[str, list[str]] = {name: [] for name in numbered.values()}
            for row, word in await session.execute(text(IN_ORDER)):
                made[numbered[row]].append(word)
            return made
    finally:
        await database.close()


async def test_a_query_has_the_words_of_the_database(settings: Settings) -> None:
    """Mutants: no separators in SQLite's tokenizer; to_tsvector; marks part words."""
    # For SQLite, U+FFFE and U+FFFF are no characters.
    names = [f"aa{chr(point)}bb" for point in CODE_POINTS if point >> 1 != 0x7FFF]

    made = await words_of(settings, names)

    assert len(made) == len(names)
    differing = {
        name: each
        for name, each in made.items()
        if [len(word) for word in each] != [len(word) for word in words(name)]
    }
    assert not differing


async def test_case_does_not_matter(settings: Settings) -> None:
    """Mutant: leave small letters as they are, such as the sigma at the end."""
    # Those that came later, and these two, differ: see docs/catalogue.md.
    known = {each for each in LETTERS if ucd_3_2_0.category(each) != "Cn"} - {*"ıİ"}
    cases = {(a, b) for a in known for b in (a.upper(), a.lower()) if a != b in known}

    made = await words_of(settings, known)

    assert {(a, b) for a, b in cases if made[a] != made[b]} == set()
    assert ("ς", "Σ") in cases


async def test_the_locale_of_the_database_does_not_matter(postgres_url: str) -> None:
    """Mutant: the lower() of the database, which in C knows the letters of ASCII."""
    name = f"test_{uuid4().hex}"
    await execute(postgres_url, f"CREATE DATABASE {name} {IN_C}")
    url = make_url(postgres_url).set(database=name)
    settings = make_settings(database_url=url.render_as_string(hide_password=False))
    try:
        await migrate.upgrade(settings)
        made = await words_of(settings, ["KÄSE हिन्दी किताब"])
    finally:
        await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")

    assert [*made.values()] == [["käse", "हिन्दी", "किताब"]]
