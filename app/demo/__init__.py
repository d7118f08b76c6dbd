"""Made-up rows, with which you can try the service: a module for each resource.

The module of a resource has two names. `UNIQUE` is the column that tells rows apart.
`add(database, count, advance, seed)` adds the next `count` rows of a seed and calls
`advance` with the number of rows that each step has added.
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
