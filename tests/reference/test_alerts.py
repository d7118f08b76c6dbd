"""The rules and dashboards ask for metrics that exist, and alerts have runbooks."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from reference.alerts import ALERTS, RUNBOOKS
from reference.dashboards import DASHBOARDS
from testbed.service import ROOT
from tests.support.people import Client
from tests.test_docs import anchors

PROMQL = re.compile(r"^```promql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULES = ROOT / "deploy/prometheus/rules.yml"
PROMTOOL = shutil.which("promtool") or ""
# Prometheus itself adds these labels.
OWN_LABELS = {"job", "instance", "le"}
SELECTOR = re.compile(r"\b([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})?")
NO_METRICS = re.compile(r'"[^"]*"|\b(?:sum|max|min|count)? ?by \([^)]*\)|\[[^]]*\]')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
WORDS = {"sum", "rate", "max", "min", "changes", "absent", "count", "time", "vector"}
WORDS |= {"histogram_quantile", "sum_over_time", "increase", "topk", "and", "or", "by"}
WORDS |= {"up"}  # a metric of Prometheus itself


def expressions() -> Iterator[str]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for file in sorted((ROOT / "deploy/grafana").glob("*.json")):
        board = json.loads(file.read_text())
        yield from (note["expr"] for note in board["annotations"]["list"])
        for panel in board["panels"]:
            yield from (target["expr"] for target in panel["targets"])
    for queries in PROMQL.findall((ROOT / RUNBOOKS).read_text()):
        yield from queries.splitlines()


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric with the labels by which the expression selects or groups."""
    grouped = {
        label.strip()
        for labels in GROUPED.findall(expression)
        for label in labels.split(",")
        if label.strip()
    }
    for name, matchers in SELECTOR.findall(NO_METRICS.sub(" ", expression)):
        if name not in WORDS:
            yield name, {*re.findall(r"(\w+)\s*[=!]", matchers)} | grouped


async def test_every_metric_and_label_is_in_a_scrape(
    app: FastAPI, user: Client, backend: str
) -> None:
    """Mutant: rename a metric or a label."""
    await user.post("/notes", json={"title": str(uuid4())})
    text = (await user.get("http://test/metrics")).text
    labels: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels[sample.name] |= sample.labels.keys()

    for group in yaml.safe_load(RULES.read_text())["groups"]:
        labels |= {rule["record"]: set() for rule in group["rules"] if "record" in rule}

    for expression in expressions():
        for name, used in asked(expression):
            assert name in labels, expression
            assert used <= labels[name] | OWN_LABELS, expression


def test_the_check_finds_metrics_and_labels() -> None:
    found = dict(asked('sum by (a, b) (rate(x_total{c="d", e=~"f"}[5m])) / y > 0'))
    assert found == {"x_total": {"a", "b", "c", "e"}, "y": {"a", "b"}}


def test_every_alert_has_a_runbook() -> None:
    """Mutants: add an alert without a section; remove a part of a section."""
    page = ROOT / RUNBOOKS
    sections = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]
    rules = yaml.safe_load(RULES.read_text())["groups"][1]["rules"]

    assert [each.splitlines()[0] for each in sections] == [each.name for each in ALERTS]
    for section in sections:
        for part in ("Meaning", "Impact", "Confirm", "Mitigate", "Diagnose"):
            assert f"**{part}" in section
    for rule in rules:
        file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor in anchors(ROOT / file)


def test_dashboards_have_unique_ids_and_belong_to_alerts() -> None:
    boards = [json.loads(f.read_text()) for f in (ROOT / "deploy/grafana").iterdir()]
    assert len({board["uid"] for board in boards}) == len(boards) == len(DASHBOARDS)
    assert {alert.board for alert in ALERTS} == {*DASHBOARDS}


def promtool(*arguments: str | Path) -> None:
    line = [PROMTOOL, *map(str, arguments)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed.")
class TestPromtool:
    def test_accepts_the_rules(self) -> None:
        promtool("check", "rules", RULES)

    def test_sees_alerts_fire_and_stay_silent(self) -> None:
        """Mutants: compare with the target, not the budget; use only long windows."""
        promtool("test", "rules", Path(__file__).with_name("alerts.yml"))
