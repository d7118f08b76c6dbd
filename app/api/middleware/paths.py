"""Where a request goes, as the application knows its paths."""

from starlette.types import Scope


def own_path(scope: Scope) -> str:
    """Leave out where the application is mounted itself (`--root-path`)."""
    # A mount has made its own path the root, and remembers the root of all.
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return scope["path"].removeprefix(root)  # type: ignore[no-any-return]
