"""What Schemathesis loads beside the document."""

import re
from typing import Any
from uuid import uuid4

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, options: dict[str, Any]) -> None:
    """Send a good Idempotency-Key once: again, it belongs to the first request."""
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key" and re.fullmatch("[!#-~]+", str(value)):
            case.headers[name] = str(uuid4())
