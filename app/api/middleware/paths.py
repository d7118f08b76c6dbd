"""The path of a request as the routes declare it."""

from starlette.types import Scope


def own_path(scope: Scope) -> str:
    """Remove the prefix under which a proxy serves the application (`--root-path`)."""
    # Inside a mount, Starlette overwrites root_path and keeps the first value in
    # app_root_path.
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return scope["path"].removeprefix(root)  # type: ignore[no-any-return]
