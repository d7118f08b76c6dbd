"""The resources that the bench measures. Each has a package with these modules.

- `operations`: its `OPERATIONS`, each under a name that no other resource uses
- `raw_asgi`: its `ROUTES` in the raw program
- `starlette_asyncpg`: its `ROUTES` on Starlette
- `fastapi_asyncpg`: its `router` without the ORM
- `fastapi_orm`: its `router` as in tutorials
- `data`, optional: `fill(connection, times)` adds rows and returns some of their ids
- `rows`, optional: `measure(contest)` yields other figures that have a goal
- `scale`, optional: `measure(report, service)`, and its `SETTINGS` of the service
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# The order of the report. Programs also compare the path of a request in this order.
RESOURCES = (
    "products",
    "accounts",
)


def parts(name: str) -> dict[str, ModuleType]:
    """Import the module `name` of each resource that has one."""
    modules = {resource: f"bench.{resource}.{name}" for resource in RESOURCES}
    return {
        resource: import_module(module)
        for resource, module in modules.items()
        if find_spec(module)
    }
