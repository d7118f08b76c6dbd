"""The last requests of this process, for developers. Only development keeps them."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.request_context import RequestContext

KEPT = 200


@dataclass(frozen=True, slots=True)
class Recent:
    """One request: its log line, its statements, and what else it logged."""

    line: Mapping[str, Any]
    context: RequestContext

    @property
    def seconds_ago(self) -> float:
        return time.monotonic() - self.context.started


RecentRequests = deque[Recent]  # the newest first
