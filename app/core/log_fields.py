"""The fields that a log line can have. The value of any other field is replaced.

A log must not contain, for example, a token or an e-mail address. Add the name of a new
field here when you are sure that its values are harmless.
"""

from collections.abc import MutableMapping
from typing import Any

PROCESS = frozenset(
    "service_name service_version service_instance_id deployment_environment_name "
    "process_pid".split()
)
LINE = frozenset("event level logger timestamp request_id exc_info exception".split())
REQUEST = frozenset(
    "method path route status_code duration_ms client_ip user_id session_id "
    "http_request_body_size http_response_body_size db_queries db_ms db_wait_ms "
    "db_statements redis_calls redis_ms rate_limit rate_limit_violated idempotency "
    "mails sample_rate trace_id span_id".split()
)
# The ids of credentials other than sessions. Write each on its own line.
CREDENTIALS: frozenset[str] = frozenset(
    [
        "api_key_id",  # of api_keys
    ]
)
EVENTS = frozenset(
    "attempts code dependency error error_type limit lines mail_id message peer "
    "policies reason refused seconds settings sqlstate template "
    # only of the event `mail.kept`, which is logged only in development
    "file link subject to".split()
)
# Fields that structlog and the formatter of the standard library add and later remove.
INTERNAL = frozenset("_record _from_structlog stack_info color_message".split())
ALLOWED = PROCESS | LINE | REQUEST | CREDENTIALS | EVENTS | INTERNAL
REPLACED = "[field is not in app.core.log_fields]"


def replace_others(event: MutableMapping[str, Any]) -> None:
    """Replace the values of fields that are not allowed, but keep their names."""
    for name in event.keys() - ALLOWED:
        event[name] = REPLACED
