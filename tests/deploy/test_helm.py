"""The chart renders valid objects whose numbers fit each other."""

from typing import Any

import pytest
import yaml

from app.core.config import Settings
from app.core.settings.operation import SHUTDOWN_RESERVE_SECONDS
from app.identity import VERSION
from tests.support.budget import connections
from tests.support.chart import (
    CHART,
    DEFAULTS,
    Object,
    Values,
    merged,
    render,
    templates,
)
from tests.support.people import Client

VERSIONS = ("1.30", "1.34", "1.37")  # of Kubernetes
SECRETS = {
    "SECRET_KEY": "Zk3q9v-xB7w_Lw2mRk1t8uYp5sHdEaQj",
    "DATABASE_URL": "postgresql://app:Rk1-long@db.example.com/app?sslmode=require",
    "REDIS_URL": "rediss://:Rk1-long@cache.example.com",
    "SMTP_URL": "smtps://user:Rk1-long@mail.example.com",
}


def web(objects: dict[str, Object]) -> Object:
    pod: Object = templates(objects)["Deployment night-web"]["spec"]
    return pod


def read(pod: Object, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Read the settings as the container of this pod does."""
    [container] = pod["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    assert len(given) == len(container["env"])
    for name, value in (SECRETS | given).items():
        assert name.lower() in Settings.model_fields, name
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.fixture
def served(objects: dict[str, Object], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the web process reads."""
    return read(web(objects), monkeypatch)


def test_has_the_version_of_the_project() -> None:
    """Mutant: release another version and forget the chart."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(objects: dict[str, Object], version: str) -> None:
    """Mutant: misspell `readinessProbe`."""
    validator = pytest.importorskip("kubernetes_validate")

    for each in objects.values():
        validator.validate(each, version, strict=True)


def test_pods_are_restricted(objects: dict[str, Object]) -> None:
    """Mutant: leave `seccompProfile` out of a pod."""
    found = templates(objects)

    assert len(found) == 3
    for name, template in found.items():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all("emptyDir" in volume for volume in pod["volumes"]), name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_no_account_has_a_token(objects: dict[str, Object]) -> None:
    """Mutant: leave `automountServiceAccountToken` out of the ServiceAccount."""
    account = objects["ServiceAccount night"]

    assert account["automountServiceAccountToken"] is False
    for kind in ("web", "worker"):
        pod = templates(objects)[f"Deployment night-{kind}"]["spec"]
        assert pod["serviceAccountName"] == account["metadata"]["name"]


def test_every_process_accepts_the_settings(
    objects: dict[str, Object], values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants: use `toString`, which writes 2e+06; omit the timeout of a pod."""
    for name, template in templates(objects).items():
        with monkeypatch.context() as environment:
            settings = read(template["spec"], environment)
        assert settings.environment == "production"
        for setting, value in values.get("settings", {}).items():
            assert getattr(settings, setting.lower()) == value, name


def test_secrets_are_references(objects: dict[str, Object], values: Values) -> None:
    """Mutant: write the name of the Secret into a template."""
    secret = merged(DEFAULTS, values)["existingSecret"]

    assert not any(name.startswith("Secret ") for name in objects)
    for template in templates(objects).values():
        [container] = template["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": secret}}]


def test_a_pod_has_time_to_drain_and_to_end(
    objects: dict[str, Object], values: Values, served: Settings
) -> None:
    """Mutants: always wait 45 seconds; do not add the seconds of the hook."""
    pod = web(objects)
    grace = pod["terminationGracePeriodSeconds"]
    [container] = pod["containers"]
    ready = container["readinessProbe"]
    noticed = ready["periodSeconds"] * ready["failureThreshold"]

    assert noticed < served.drain_delay < served.graceful_timeout_seconds
    hook = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert hook == merged(DEFAULTS, values)["web"]["preStopSeconds"]
    assert hook + served.graceful_timeout_seconds + SHUTDOWN_RESERVE_SECONDS < grace


def test_a_hook_of_no_seconds_is_left_out() -> None:
    """Mutant: write `sleep: {seconds: 0}`, which Kubernetes refuses before 1.34."""
    rendered = render({"web": {"preStopSeconds": 0}})

    assert rendered.returncode == 0, rendered.stderr
    assert "lifecycle" not in rendered.stdout


@pytest.fixture
def overrides(values: Values) -> dict[str, Any]:
    given = merged(DEFAULTS, values)["settings"]
    names = {"ALLOWED_HOSTS", "API_V1_PREFIX"} & given.keys()
    return {name.lower(): given[name] for name in names}


async def test_probes_reach_the_service(
    objects: dict[str, Object], client: Client
) -> None:
    """Mutants: write `/api/v1` into a probe; use the path of readiness for liveness."""
    [container] = web(objects)["containers"]
    [port] = container["ports"]
    asked = {}
    for kind in ("startup", "liveness", "readiness"):
        probe = container[f"{kind}Probe"]["httpGet"]
        assert probe["port"] == port["name"]
        # The kubelet sends the address of the pod as Host.
        answer = await client.get(f"http://10.42.7.3:8000{probe['path']}")
        asked[kind] = answer.json()["status"]

    assert asked == {"startup": "alive", "liveness": "alive", "readiness": "ready"}


def test_the_pods_fit_into_the_connections_of_postgresql(
    objects: dict[str, Object],
    values: Values,
    served: Settings,
) -> None:
    """Mutants: forget the pod that a rollout adds, or DB_MAX_OVERFLOW."""
    most = objects["HorizontalPodAutoscaler night-web"]["spec"]["maxReplicas"]
    surge = objects["Deployment night-web"]["spec"]["strategy"]["rollingUpdate"]
    needed = connections(served, instances=most + surge["maxSurge"])

    assert needed <= merged(DEFAULTS, values)["database"]["maxConnections"]
    fits, refused = (
        render(values | {"database": {"maxConnections": number}})
        for number in (needed, needed - 1)
    )
    assert fits.returncode == 0, fits.stderr
    assert f"would open {needed} connections" in refused.stderr
