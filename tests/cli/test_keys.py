"""`keys generate|list|rotate`, with a secret and with a ring of keys."""

import json
from pathlib import Path

from testbed.service import command, make_environment


def values(output: str) -> dict[str, str]:
    lines = (line.partition("=") for line in output.splitlines())
    return {name: value.strip("'") for name, _, value in lines}


def test_a_ring_is_generated_listed_and_rotated(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)

    first = values(
        command(
            "keys", "generate", "--algorithm", "ES256", environment=environment
        ).stdout
    )
    environment |= first
    listed = command("keys", "list", environment=environment).stdout
    rotated = values(command("keys", "rotate", environment=environment).stdout)
    environment |= rotated
    afterwards = command("keys", "list", environment=environment).stdout

    ring = json.loads(first["SIGNING_KEYS"])
    current, upcoming = (entry["kid"] for entry in ring)
    assert listed == f"{current}  ES256  current\n{upcoming}  ES256  next\n"
    lines = [line.split("  ") for line in afterwards.splitlines()]
    assert lines[0] == [upcoming, "ES256", "current"]
    assert lines[1][1:] == ["ES256", "next"]
    assert lines[2][:3] == [current, "ES256", "retired"]
    shown = command("keys", "list", "--json", environment=environment).stdout
    assert json.loads(shown.splitlines()[0])["kid"] == upcoming
    for entry in ring:
        assert entry["private_jwk"]["d"] not in shown
        assert entry["private_jwk"]["d"] not in listed + afterwards


def test_a_secret_is_generated_listed_and_rotated(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    environment |= values(command("keys", "generate", environment=environment).stdout)
    listed = command("keys", "list", environment=environment).stdout

    rotated = values(command("keys", "rotate", environment=environment).stdout)
    afterwards = command("keys", "list", environment=environment | rotated).stdout

    assert rotated["SECRET_KEY_PREVIOUS"] == environment["SECRET_KEY"]
    [before] = listed.splitlines()
    assert before.endswith("HS256  current")
    assert afterwards.splitlines()[1] == before.replace("current", "retired")
    shown = command("keys", "list", "--json", environment=environment).stdout
    kid = before.split()[0]
    assert json.loads(shown) == {"kid": kid, "alg": "HS256", "state": "current"}


def test_a_broken_ring_is_refused_without_showing_it(tmp_path: Path) -> None:
    environment = make_environment(tmp_path, SIGNING_KEYS='[{"kid": "hush"}]')

    ended = command("keys", "list", environment=environment)

    assert ended.returncode == 1
    assert "SIGNING_KEYS" in ended.stderr
    assert "hush" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
