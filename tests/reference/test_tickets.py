"""Each alert that makes a ticket is silent until its fault begins, and then fires."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from reference.alerts import ALERTS, REQUESTS
from tests.reference.test_alerts import PROMTOOL, RULES, promtool

TICKETS = {each.name: each for each in ALERTS if each.severity == "ticket"}
HALF = 60  # steps without the fault, and then as many with it
HOUR = 60  # minutes
# Each name has the minutes of a step, and the values of its series: without the fault,
# and with it. `7+2` begins at 7, and each step adds 2.
Case = tuple[int, dict[str, tuple[str, str]]]
CASES: dict[str, Case] = {
    "ErrorBudgetSlowBurn": (
        HOUR // 2,
        {
            f'{REQUESTS}_count{{http_response_status_code="200"}}': (
                "0+996",
                "59760+996",
            ),
            f'{REQUESTS}_count{{http_response_status_code="500"}}': ("0+0", "0+4"),
        },
    ),
    "LatencyBudgetSlowBurn": (
        HOUR // 2,
        {
            f"{REQUESTS}_count": ("0+1000", "60000+1000"),
            f'{REQUESTS}_bucket{{le="0.5"}}': ("0+1000", "60000+960"),
        },
    ),
    "PoolSaturated": (1, {"db_client_connection_pending_requests": ("0+0", "1+0")}),
    "SheddingSustained": (1, {"requests_shed_total": ("0+0", "0+5")}),
    "DependencyDown": (1, {"dependency_up": ("1+0", "0+0")}),
    "RateLimiterDegraded": (1, {"ratelimit_degraded_total": ("0+0", "0+5")}),
    "EventLoopLag": (
        1,
        {
            'event_loop_lag_seconds_bucket{le="0.25"}': ("0+120", "7200+118"),
            'event_loop_lag_seconds_bucket{le="0.5"}': ("0+120", "7200+120"),
            'event_loop_lag_seconds_bucket{le="+Inf"}': ("0+120", "7200+120"),
        },
    ),
    "RestartLoop": (1, {"process_start_time_seconds": ("0+0", "1+60")}),
    "SchemaMismatch": (
        1,
        {
            "db_schema_revision_match": ("1+0", "0+0"),
            'dependency_up{name="database"}': ("1+0", "1+0"),
        },
    ),
    # promtool begins at the time 0: without the fault, a backup is a day old.
    "BackupStale": (
        HOUR // 2,
        {"backup_last_success_timestamp_seconds": ("-86400+1800", "19800+0")},
    ),
    "RestoreUnverified": (
        3 * HOUR,
        {"restore_last_verified_timestamp_seconds": ("-518400+10800", "118800+0")},
    ),
    "LogLinesDropped": (1, {"log_dropped_total": ("0+0", "0+5")}),
}


def test_every_ticket_has_a_case() -> None:
    assert CASES.keys() == TICKETS.keys()


def described(name: str) -> dict[str, Any]:
    step, series = CASES[name]
    rule = TICKETS[name].rule()
    fired = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
    return {
        "interval": f"{step}m",
        "input_series": [
            {"series": key, "values": " ".join(f"{each}x{HALF - 1}" for each in values)}
            for key, values in series.items()
        ],
        "alert_rule_test": [
            {"eval_time": f"{at * step}m", "alertname": name, "exp_alerts": alerts}
            for at, alerts in ((HALF - 1, []), (2 * HALF - 1, [fired]))
        ],
    }


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed.")
def test_each_ticket_is_silent_until_its_fault(tmp_path: Path) -> None:
    """Mutants: compare in the wrong direction; write a limit in minutes."""
    groups = [each["name"] for each in yaml.safe_load(RULES.read_text())["groups"]]
    steps: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for name, (step, _) in CASES.items():
        steps[step].append(described(name))
    files = [tmp_path / f"{step}.yml" for step in steps]
    for file, (step, tests) in zip(files, steps.items(), strict=True):
        about = {
            "rule_files": [str(RULES)],
            "evaluation_interval": f"{step}m",
            "group_eval_order": groups,  # otherwise the order is random
            "tests": tests,
        }
        file.write_text(yaml.safe_dump(about))

    promtool("test", "rules", *files)
