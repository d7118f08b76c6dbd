"""How API keys are listed and found when there are many."""

from fastapi import FastAPI

from app.core.tokens import api_key
from app.db.base import utc_now
from app.services.api_keys.callers import SELECT_CALLER
from tests.support import plans
from tests.support.people import Client
from tests.support.plans import Lists, Query, fill, scans
from tests.support.watch import each_statement

LISTS: dict[str, tuple[Query, ...]] = {"/api-keys": ({},)}
DIGEST = {"postgresql": "decode(md5(n::text), 'hex')", "sqlite": "CAST(n AS BLOB)"}
USERS, *_ = plans.FILL
KEYS = """
    INSERT INTO api_keys
        (id, user_id, name, token_hash, hint, scope, allowed_networks, seen_networks,
         expires_at, created_at, updated_at)
    SELECT {{id}}, CASE WHEN n % 100 = 0 THEN {{user}} ELSE {{id}} END, 'Key', {digest},
        '', '', '', '', {{later}}, {{at}}, {{at}}
    FROM {{series}}
"""


async def test_every_list_and_the_caller_are_read_through_an_index(
    app: FastAPI, backend: str, user: Client
) -> None:
    """Mutant: drop an index, or add a column to the sort."""
    lists = Lists(app.state.shared.database, user_id=user.user_id)
    keys = KEYS.format(digest=DIGEST[backend])
    await fill(lists.database, (USERS, keys), user=user.user_id)

    for path, queries in LISTS.items():
        for query in queries:
            await lists.check(user, path, query)
    sent = []
    with each_statement(lambda *statement: sent.append(statement)):
        values = {"digest": api_key.digest("unknown"), "now": utc_now()}
        await lists.database.read.one_or_none(SELECT_CALLER, values)
    plan = await lists.plans.of(*sent[0])
    assert "token_hash" in plan.partition("\n")[2] or "autoindex" in plan
    assert not scans(plan, backend), plan
