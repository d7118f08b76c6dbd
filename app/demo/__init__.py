"""Makes rows with which you can try the service. Each resource has a module here.

Such a module defines two names. `UNIQUE` is a column whose values are unique.
`add(database, count, advance, seed)` adds the next `count` rows of a seed. After each
step it calls `advance` with the number of rows that the step has added.
"""

from typing import NamedTuple


class Amounts(NamedTuple):
    """How many rows the command `demo` and the command `setup` add by default."""

    demo: int
    setup: int  # only in development, and only to an empty table


RESOURCES = {
    "products": Amounts(demo=1000, setup=50),
    "users": Amounts(demo=0, setup=0),
}
