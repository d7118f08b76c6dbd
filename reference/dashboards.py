"""Describes the dashboards, and generates the JSON of Grafana from them."""

from dataclasses import dataclass
from typing import Any

import orjson

from app.identity import NAME
from reference.alerts import ERRORS, LATE, REQUESTS

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT = 12, 8  # of a panel; a row has 24 columns
RATE = "[$__rate_interval]"
Query = tuple[str, str]  # a legend and an expression


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    queries: tuple[Query, ...]


def panel(title: str, unit: str, *queries: Query) -> Panel:
    return Panel(title, unit, queries)


def quantile(share: float, histogram: str, *by: str) -> str:
    labels = ", ".join(("le", *by))
    rates = f"sum by ({labels}) (rate({histogram}_bucket{RATE}))"
    return f"histogram_quantile({share}, {rates})"


def rate(counter: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (rate({counter}{RATE}))"


CODE = "http_response_status_code"
FAILED = f'{REQUESTS}_count{{{CODE}=~"5.."}}'
REFUSED = 'ratelimit_decisions_total{decision="refused"}'
WAIT = "db_client_connection_wait_time_seconds"
HASH = "password_hash_duration_seconds"
DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "service": (
        "service and SLO",
        (
            panel(
                "Requests",
                "reqps",
                ("{{http_response_status_code}}", rate(f"{REQUESTS}_count", CODE)),
            ),
            panel(
                "Failed requests",
                "reqps",
                (
                    "{{error_type}} {{http_route}}",
                    rate(FAILED, "error_type", "http_route"),
                ),
            ),
            panel(
                "Duration of requests",
                "s",
                ("p50", quantile(0.5, REQUESTS)),
                ("p99", quantile(0.99, REQUESTS)),
            ),
            panel(
                "Duration of requests by route (p99)",
                "s",
                ("{{http_route}}", quantile(0.99, REQUESTS, "http_route")),
            ),
            panel(
                "Burn rate: at 1 the error budget lasts 30 days",
                "none",
                ("1h", f"sli:errors:ratio_1h / {ERRORS:.6g}"),
                ("6h", f"sli:errors:ratio_6h / {ERRORS:.6g}"),
                ("30d", f"sli:errors:ratio_30d / {ERRORS:.6g}"),
                ("30d, of slow requests", f"sli:slow:ratio_30d / {LATE:.6g}"),
            ),
            panel(
                "Requests refused by limits",
                "reqps",
                ("{{rule}}", rate(REFUSED, "rule")),
            ),
        ),
    ),
    "saturation": (
        "saturation",
        (
            panel(
                "Requests in progress",
                "none",
                ("in progress", "sum(http_server_active_requests)"),
            ),
            panel(
                "Requests refused in overload",
                "reqps",
                (
                    "{{class}} {{reason}}",
                    rate("requests_shed_total", "class", "reason"),
                ),
                ("deadline", rate("deadline_exceeded_total", "layer")),
            ),
            panel(
                "Database connections",
                "none",
                (
                    "{{pool}} {{state}}",
                    "sum by (pool, state) (db_client_connection_count)",
                ),
                ("{{pool}} limit", "sum by (pool) (db_client_connection_max)"),
            ),
            panel(
                "Requests that wait for a connection",
                "none",
                ("{{pool}}", "sum by (pool) (db_client_connection_pending_requests)"),
                ("timeouts per second", rate("db_client_connection_timeouts_total")),
            ),
            panel("Wait for a connection", "s", ("p99", quantile(0.99, WAIT))),
            panel(
                "Delay of the event loop",
                "s",
                ("p99", quantile(0.99, "event_loop_lag_seconds")),
            ),
            panel(
                "Passwords that wait for a hash",
                "none",
                ("waiting", "sum(password_hash_queue_depth)"),
            ),
            panel("Duration of a password hash", "s", ("p99", quantile(0.99, HASH))),
            panel("CPU", "none", ("cores", rate("process_cpu_seconds_total", "job"))),
            panel(
                "Memory",
                "bytes",
                ("{{instance}}", "sum by (instance) (process_resident_memory_bytes)"),
            ),
            panel("Open files", "none", ("open", "sum(process_open_fds)")),
            panel("Log lines lost", "none", ("lost", rate("log_dropped_total"))),
        ),
    ),
    "dependencies": (
        "dependencies",
        (
            panel(
                "1 if the dependency answers",
                "none",
                ("{{name}}", "min by (name) (dependency_up)"),
            ),
            panel(
                "Statements",
                "ops",
                (
                    "{{operation}}",
                    rate("db_client_operation_duration_seconds_count", "operation"),
                ),
            ),
            panel(
                "Duration of statements",
                "s",
                (
                    "p99 {{operation}}",
                    quantile(0.99, "db_client_operation_duration_seconds", "operation"),
                ),
            ),
            panel(
                "Limits counted without Redis",
                "ops",
                ("{{mode}}", rate("ratelimit_degraded_total", "mode")),
                ("circuit to {{name}} open", "max by (name) (circuit_state)"),
            ),
            panel(
                "Mails in the outbox",
                "none",
                ("waiting", "max(outbox_pending)"),
                ("{{outcome}} per second", rate("outbox_deliveries_total", "outcome")),
            ),
            panel(
                "Age of the oldest mail", "s", ("age", "max(outbox_oldest_age_seconds)")
            ),
            panel(
                "Age of the last backup",
                "s",
                ("made", "time() - max(backup_last_success_timestamp_seconds)"),
                ("verified", "time() - max(restore_last_verified_timestamp_seconds)"),
            ),
            panel(
                "Idempotency keys",
                "ops",
                ("{{outcome}}", rate("idempotency_total", "outcome")),
            ),
        ),
    ),
    "deploys": (
        "deploys",
        (
            panel(
                "Instances by version",
                "none",
                ("{{version}}", "count by (version) (app_info)"),
            ),
            panel(
                "Age of the latest worker",
                "s",
                ("{{instance}}", "time() - process_start_time_seconds"),
            ),
            panel("Instances that drain", "none", ("instances", "sum(drain_state)")),
            panel(
                "1 if the schema suits all instances",
                "none",
                ("all", "min(db_schema_revision_match)"),
            ),
        ),
    ),
}


def dashboard(name: str) -> str:
    title, panels = DASHBOARDS[name]
    document: dict[str, Any] = {
        "uid": f"{NAME}-{name}",
        "title": f"{NAME}: {title}",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {
            "list": [
                {
                    "name": "starts of workers",
                    "enable": True,
                    "datasource": SOURCE,
                    "expr": "changes(process_start_time_seconds[1m]) > 0",
                }
            ]
        },
        "panels": [_panel(number, each) for number, each in enumerate(panels)],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _panel(number: int, described: Panel) -> dict[str, Any]:
    row, column = divmod(number, 24 // WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": described.title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": described.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "legendFormat": legend, "expr": expression}
            for index, (legend, expression) in enumerate(described.queries)
        ],
    }
