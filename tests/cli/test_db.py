import re

from testbed.service import command


def test_names_the_revision_of_the_database(
    environment: dict[str, str],
) -> None:
    """Mutant: repeat the given target, such as `head` or `-1`."""
    upgraded = command("db", "upgrade", environment=environment)
    stepped = command("db", "downgrade", "-1", environment=environment)
    emptied = command("db", "downgrade", "base", environment=environment)

    said = re.compile(r"The database is at (\w+)\.\n")
    first, second, last = (
        said.fullmatch(ended.stdout) for ended in (upgraded, stepped, emptied)
    )
    assert first, upgraded.stderr
    assert second, stepped.stderr
    assert last, emptied.stderr
    assert first[1] not in {"head", "heads"}
    assert second[1] not in {"-1", first[1]}
    assert last[1] == "base"
