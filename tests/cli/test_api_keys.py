"""Commands for the API keys of service accounts, while a service runs."""

import json
from uuid import UUID

from app.core.tokens import api_key
from tests.cli.conftest import Run
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in


async def test_keys_are_made_listed_rotated_and_revoked_by_the_system(
    run: Run, people: People, client: Client, admin: Client
) -> None:
    robot = await people.add("editor", email="robot@example.org")
    user = f"--user {robot.email}"

    refused = await run(f"api-keys create {user} --name A --scope users:read")
    lines = "--scope account:read --network 192.0.2.0/24 --json"
    made = json.loads((await run(f"api-keys create {user} --name A {lines}")).stdout)
    assert await is_logged_in(client, made["key"])
    [listed] = (await run(f"api-keys list {user}")).stdout.splitlines()
    rotated = await run(f"api-keys rotate {made['id']} {user}")
    new = dict(line.split(": ") for line in rotated.stdout.splitlines())
    assert not await is_logged_in(client, made["key"])
    assert await is_logged_in(client, new["Key"])
    await run(f"api-keys revoke {new['Id']} {user}")
    assert not await is_logged_in(client, new["Key"])

    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: Your API keys can have these scopes:")
    assert listed.startswith(f"{UUID(made['id'])}  {api_key.hint(made['key'])}  until")
    events = (await admin.get(f"/audit-events?subject_id={robot.id}")).json()["items"]
    keys = [each for each in events if each["event"].startswith("account.api_key.")]
    acts = [each for each in keys if not each["event"].endswith("network")]
    assert [each["event"].rpartition(".")[2] for each in acts] == [
        "revoked",
        "rotated",
        "created",
    ]
    assert {each["actor_type"] for each in acts} == {"system"}
