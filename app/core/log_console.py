"""Writes the log line of a request for people, who read it in a terminal."""

from collections.abc import Mapping
from typing import Any

REQUEST_EVENT = "http.request"
RESET, DIM = "\033[0m", "\033[2m"
# By the first digit of the status.
COLORS = {2: "\033[32m", 3: "\033[36m", 4: "\033[33m", 5: "\033[1;31m"}


def request_line(event: Mapping[str, Any], *, colors: bool) -> str:
    """Write the status and the duration first, because people look for these."""
    status = event["status_code"]
    outcome = f"{status} {event['duration_ms']:9.1f} ms"
    request = f"{event['method']} {event['path']}"
    spent = []
    if queries := event.get("db_queries"):
        spent.append(f"{queries} SQL {event['db_ms']:.1f} ms")
    if calls := event.get("redis_calls"):
        spent.append(f"{calls} Redis {event['redis_ms']:.1f} ms")
    rest = "  ".join([*spent, REQUEST_EVENT, event["request_id"]])
    if not colors:
        return f"{outcome}  {request}  {rest}"
    color = COLORS.get(status // 100, "")
    return f"{color}{outcome}{RESET}  {request}  {DIM}{rest}{RESET}"
