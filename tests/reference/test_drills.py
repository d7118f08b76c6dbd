"""Each alert that pages a person fires when the real service has the fault.

A drill reads the metrics before the fault and after it. `promtool` then gives these
metrics, minute by minute, to the rules that Prometheus loads.
"""

import ast
import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url, update

from app.api.authorization import public
from app.api.routes import api_router
from app.core.config import Settings
from app.db.base import utc_now
from app.db.models.outbox_mail import OutboxMail
from app.db.session import transaction
from app.main import create_application
from reference.alerts import ALERTS, LEAST_BAD, RUNBOOKS
from testbed.service import ROOT
from tests.reference.test_alerts import PROMTOOL, RULES
from tests.support.people import Client, open_client

PAGES = {alert.name: alert for alert in ALERTS if alert.severity == "page"}
DRILL = re.compile(r"\*\*Drill\.\*\* `(tests/[\w/]+\.py)::TestDrill::(\w+)`")
CALM, FAULT = 60, 15  # minutes
# Scraped samples that the rules ask for.
USED = re.compile(r"http_server_request|dependency_up|outbox_oldest|app_info")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed.")

router = api_router("/faults", tags=["faults"])


@router.get("/failing", openapi_extra=public("a test"))
async def fail() -> None:
    """Fail, as code with an error does."""
    raise RuntimeError


@router.get("/slow", openapi_extra=public("a test"))
async def be_slow() -> None:
    """Take longer than the objective of latency allows."""
    await asyncio.sleep(0.6)


class Scrape(dict[str, float]):
    """The samples of one scrape, by their series. Empty if the scrape failed."""

    def __init__(self, text: str) -> None:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if USED.match(sample.name):
                    labels = {**sample.labels, "instance": "a"}
                    pairs = ", ".join(f'{name}="{labels[name]}"' for name in labels)
                    self[f"{sample.name}{{{pairs}}}"] = sample.value


async def scrape(app: FastAPI) -> Scrape:
    async with open_client(app) as client:
        answer = await client.get("http://test/metrics")
    return Scrape(answer.text if answer.status_code == 200 else "")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[FastAPI]:
    app = create_application(settings, [router])
    async with app.router.lifespan_context(app):
        yield app


def assert_fires(
    name: str, directory: Path, calm: Scrape, faults: Sequence[Scrape]
) -> None:
    """Give the rules `calm` for an hour, then `faults`: only these fire the alert."""
    minutes = [calm] * CALM + [*faults[:-1]] + [faults[-1]] * FAULT
    series = [
        {
            "series": key,
            "values": " ".join(str(each.get(key, "stale")) for each in minutes),
        }
        for key in dict.fromkeys(key for each in minutes for key in each)
    ]
    rule = PAGES[name].rule()
    alert = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
    file = directory / "drill.yml"
    described = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": alerts}
                    for minute, alerts in ((CALM - 1, []), (CALM + 5, [alert]))
                ],
            }
        ],
    }
    file.write_text(yaml.safe_dump(described))
    line = [PROMTOOL, "test", "rules", str(file)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


async def ask(app: FastAPI, path: str, status: int) -> Scrape:
    """Send as many requests as a drill needs, and read the metrics."""
    async with open_client(app) as client:
        sent = (client.get(path) for _ in range(LEAST_BAD + 5))
        answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {status}
    return await scrape(app)


@needs_promtool
class TestDrill:
    async def test_requests_fail(self, settings: Settings, tmp_path: Path) -> None:
        """Mutant: count a 500 as 200."""
        async with serving(settings) as app:
            calm = await ask(app, "http://test/.well-known/jwks.json", 404)
            # Prometheus sees no growth in the first sample of a new series.
            faults = [await ask(app, "/faults/failing", 500) for _ in range(2)]
        assert_fires("ErrorBudgetFastBurn", tmp_path, calm, faults)

    async def test_requests_are_slow(self, settings: Settings, tmp_path: Path) -> None:
        """Mutant: record a tenth of the time."""
        async with serving(settings) as app:
            calm = await ask(app, "http://test/.well-known/jwks.json", 404)
            faults = [await ask(app, "/faults/slow", 200) for _ in range(2)]
        assert_fires("LatencyBudgetFastBurn", tmp_path, calm, faults)

    async def test_database_is_missing(
        self, settings: Settings, tmp_path: Path, backend: str
    ) -> None:
        """PostgreSQL does not answer; the file of SQLite has no tables.

        Mutants: give no metrics if the table of mails is missing; report 1 for
        `dependency_up`.
        """
        url = make_url(settings.database_url)
        if backend == "postgresql":
            url = url.set(host="::1", port=1)
        else:
            url = url.set(database=str(tmp_path / "empty.db"))
        broken = url.render_as_string(hide_password=False)
        async with serving(settings) as app:
            calm = await scrape(app)
        async with serving(settings.model_copy(update={"database_url": broken})) as app:
            fault = await scrape(app)
        assert_fires("NoReadyInstances", tmp_path, calm, [fault])

    async def test_mail_waits(self, app: FastAPI, user: Client, tmp_path: Path) -> None:
        """No worker delivers the mail, and six minutes pass.

        Mutant: report the age of the newest mail.
        """
        calm = await scrape(app)
        body = {"email": user.email}
        await user.post("/auth/password/forgot", json=body)
        async with transaction(app.state.shared.database) as session:
            earlier = utc_now() - timedelta(minutes=6)
            await session.execute(update(OutboxMail).values(created_at=earlier))
        await user.post("/auth/password/forgot", json=body)
        assert_fires("OutboxStuck", tmp_path, calm, [await scrape(app)])

    async def test_prometheus_reads_nothing(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        """The service starts without METRICS_TOKEN. Mutant: serve metrics to all."""
        closed = {"environment": "staging", "metrics_token": None}
        async with serving(settings) as app:
            calm = await scrape(app)
        async with serving(settings.model_copy(update=closed)) as app:
            fault = await scrape(app)
        assert_fires("MetricsAbsent", tmp_path, calm, [fault])


def test_every_page_has_a_drill() -> None:
    """Mutant: add an alert that pages a person, but no drill."""
    page = (ROOT / RUNBOOKS).read_text()
    sections = {each.splitlines()[0]: each for each in page.split("\n## ")[1:]}
    for name in PAGES:
        [(file, drill)] = DRILL.findall(sections[name])
        source = (ROOT / file).read_text()
        tests = [
            ast.get_source_segment(source, node) or ""
            for node in ast.walk(ast.parse(source))
            if getattr(node, "name", None) == drill
        ]
        assert [f'assert_fires("{name}"' in test for test in tests] == [True]
