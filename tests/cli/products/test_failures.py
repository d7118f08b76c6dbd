"""`products` with a database that it cannot use."""

import pytest

from testbed.service import command
from tests.cli.failures import assert_asks_for_the_schema, assert_creates_no_database


def test_a_database_without_tables_is_reported_in_one_line(
    environment: dict[str, str],
) -> None:
    """Mutant: catch only the project's own errors."""
    assert_asks_for_the_schema("products export", environment)


@pytest.mark.parametrize("line", ["products export", "products import file"])
def test_a_missing_database_file_is_not_created(
    environment: dict[str, str], line: str
) -> None:
    """Mutant: create an empty database at a mistyped path."""
    assert_creates_no_database(line, environment)


@pytest.mark.parametrize("count", ["many", "-1"])
def test_an_invalid_count_is_reported_in_one_line(
    environment: dict[str, str], count: str
) -> None:
    ended = command("demo", "--products", count, environment=environment)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1


def test_setup_adds_products(environment: dict[str, str]) -> None:
    done = command("setup", environment=environment)

    assert "50 products" in done.stdout
