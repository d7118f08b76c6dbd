"""The Compose file is valid, and its services fit each other."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core.config import Settings
from testbed.service import ROOT
from tests.support.budget import connections

FILE = ROOT / "deploy/compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES = COMPOSE["services"]
OURS = ("migrate", "web", "worker")
SECRETS = {
    "secret_key": "Zk3q9v-xB7w_Lw2mRk1t8uYp5sHdEaQj",
    "database_url": "postgresql://app:Rk1-long@database/app",
    "metrics_token": "Rk1-long-and-random-0123456789-xyz",
    "smtp_url": "smtps://user:Rk1-long@mail.example.com",
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the web process reads."""
    for name, value in SERVICES["web"]["environment"].items():
        secret = tmp_path / Path(value).name
        if name.endswith("_FILE"):
            secret.write_text(SECRETS[secret.name])
            value = str(secret)
        example = re.sub(r"\$\{\w+:(?:\?such as |-)([^}]*)\}", r"\1", value)
        monkeypatch.setenv(name, example)
    return Settings(_env_file=None)


def test_has_the_form_of_the_specification() -> None:
    """Mutant: misspell `stop_grace_period`."""
    jsonschema = pytest.importorskip("jsonschema")
    package = find_spec("check_jsonschema")
    if package is None or package.origin is None:
        pytest.skip("check-jsonschema, which has the schema, is missing")
    schemas = Path(package.origin).parent / "builtin_schemas/vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())

    jsonschema.validate(COMPOSE, schema)


def test_production_accepts_the_settings(settings: Settings) -> None:
    """Mutant: leave `cache` out of PLAINTEXT_HOSTS."""
    known = {*Settings.model_fields}

    assert settings.environment == "production"
    for name in SERVICES["web"]["environment"]:
        assert name.lower().removesuffix("_file") in known, name


def test_the_workers_fit_into_the_connections_of_postgresql(settings: Settings) -> None:
    """Mutant: set `WEB_CONCURRENCY: "16"`."""
    options = " ".join(SERVICES["database"]["command"])
    [most] = re.findall(r"max_connections=(\d+)", options)

    assert connections(settings, instances=1) <= int(most)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights(name: str) -> None:
    """Mutant: remove `read_only` from one of our services."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_service_has_time_to_finish_its_requests(settings: Settings) -> None:
    """Mutant: use Docker's default of 10 seconds."""
    grace = int(SERVICES["web"]["stop_grace_period"].removesuffix("s"))

    assert grace > settings.graceful_timeout_seconds


def test_only_this_machine_reaches_the_port() -> None:
    """Mutant: publish `8000:8000`, which bypasses the firewall of the machine."""
    published = [port for each in SERVICES.values() for port in each.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_prometheus_reads_the_metrics_with_their_token() -> None:
    """Mutant: scrape a host that ALLOWED_HOSTS does not name."""
    config = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    [job] = config["scrape_configs"]
    [target] = [each for part in job["static_configs"] for each in part["targets"]]
    host = target.partition(":")[0]
    web = SERVICES["web"]

    assert host in SERVICES
    assert host in web["environment"]["ALLOWED_HOSTS"].split(",")
    token = job["authorization"]["credentials_file"]
    assert token == web["environment"]["METRICS_TOKEN_FILE"]
    assert Path(token).name in SERVICES["prometheus"]["secrets"]


def test_the_collector_takes_the_traces_and_passes_them_on() -> None:
    """Mutants: use another port than the page; use a processor without declaring it."""
    config = yaml.safe_load(COMPOSE["configs"]["collector"]["content"])
    page = (ROOT / "docs/deploying.md").read_text()
    [endpoint] = re.findall(r"TELEMETRY_ENDPOINT=http://(\w+):(\d+)", page)
    pipeline = config["service"]["pipelines"]["traces"]

    assert endpoint[0] in SERVICES
    receiver = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert receiver == f"0.0.0.0:{endpoint[1]}"
    for kind, names in pipeline.items():
        assert {*names} == config[kind].keys()
    assert config["exporters"]["otlp"]["endpoint"].partition(":")[0] in SERVICES


def test_the_migration_waits_until_postgresql_accepts_tcp() -> None:
    """Mutant: ask on the Unix socket, which answers while the database is created."""
    assert "--host=127.0.0.1" in SERVICES["database"]["healthcheck"]["test"]


def test_images_name_a_version() -> None:
    for service in SERVICES.values():
        assert re.search(r":(v?\d+\.\d+|\$\{VERSION)", service["image"])
