"""Make a copy of the project under an odd name, and run the checks and tests in it.

    python -m drills.copy [--without products]

It takes as long as `make check` and `make test`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from drills.copies import Copy, DrillFailed, make_copy, step
from testbed.checkouts import environment_of
from testbed.postgres import start_postgres

TITLE, SLUG = 'O\'Neil "Q" Shöp 3000', "oneil-shop"


def make_own(home: Path, postgres_url: str, *options: str) -> Copy:
    """Make a copy with the command `new`, from a checkout."""
    checkout = make_copy(home / "checkout", postgres_url)
    shop = Copy(home / "shop", postgres_url)
    names = ("--title", TITLE, "--slug", SLUG)
    checkout.app("new", str(shop.directory), *names, *options)
    shop.link_environment()
    shop.python_path = environment_of(shop.directory, home)["PYTHONPATH"]
    return shop


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--without", help="A resource to leave out.")
    without: str | None = parser.parse_args().without
    options = ("--without", without) if without else ()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        try:
            with start_postgres(home) as postgres:
                with step("make a copy"):
                    shop = make_own(home, postgres.url, *options)
                with step("make check"):
                    shop.run("make", "check")
                with step("make test"):
                    shop.run("make", "test")
        except DrillFailed as failure:
            sys.exit(f" failed\n{failure}")


if __name__ == "__main__":
    main()
