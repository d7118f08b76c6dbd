"""The chart renders valid objects whose numbers fit each other."""

import subprocess
from typing import Any

import pytest
import yaml

from app.core.config import Settings
from app.identity import NAME, VERSION
from testbed.service import ROOT
from tests.support.budget import connections
from tests.support.tools import tool

CHART = ROOT / "deploy/helm" / NAME
HELM = tool("helm")
VERSIONS = ("1.28", "1.34", "1.37")  # of Kubernetes
SECRETS = {
    "SECRET_KEY": "Zk3q9v-xB7w_Lw2mRk1t8uYp5sHdEaQj",
    "DATABASE_URL": "postgresql://app:Rk1-long@db.example.com/app?sslmode=require",
    "REDIS_URL": "rediss://:Rk1-long@cache.example.com",
    "SMTP_URL": "smtps://user:Rk1-long@mail.example.com",
}
Object = dict[str, Any]

needs_helm = pytest.mark.skipif(not HELM, reason="helm is missing")


def helm(*values: str) -> subprocess.CompletedProcess[str]:
    line = [str(HELM), "template", "night", str(CHART), "--kube-version=1.34.0"]
    line += [f"--set={value}" for value in values]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def objects() -> dict[str, Object]:
    """Every object, by its kind and its name."""
    rendered = helm("ingress.enabled=true", "ingress.annotations.a=b")
    assert rendered.returncode == 0, rendered.stderr
    loaded = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in loaded}


def pods(objects: dict[str, Object]) -> dict[str, Object]:
    return {
        name: each["spec"]["template"]["spec"]
        for name, each in objects.items()
        if "template" in each.get("spec", {})
    }


@pytest.fixture
def settings(objects: dict[str, Object], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the web process reads."""
    [container] = pods(objects)["Deployment night-web"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    for name, value in (SECRETS | given).items():
        assert name.lower() in Settings.model_fields, name
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


def test_has_the_version_of_the_project() -> None:
    """Mutant: release another version and forget the chart."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@needs_helm
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(objects: dict[str, Object], version: str) -> None:
    """Mutant: misspell `readinessProbe`."""
    validator = pytest.importorskip("kubernetes_validate")

    for each in objects.values():
        validator.validate(each, version, strict=True)


@needs_helm
def test_pods_are_restricted(objects: dict[str, Object]) -> None:
    """Mutant: leave `seccompProfile` out of a pod."""
    found = pods(objects)

    assert len(found) == 3
    for name, pod in found.items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


@needs_helm
def test_a_pod_has_time_to_drain_and_to_end(
    objects: dict[str, Object], settings: Settings
) -> None:
    """Mutant: `terminationGracePeriodSeconds` of 30, which is Kubernetes' own."""
    pod = pods(objects)["Deployment night-web"]
    grace = pod["terminationGracePeriodSeconds"]
    [container] = pod["containers"]
    ready = container["readinessProbe"]
    noticed = ready["periodSeconds"] * ready["failureThreshold"]

    assert noticed < settings.drain_delay < settings.graceful_timeout_seconds < grace
    assert "lifecycle" not in container  # the service drains by itself


@needs_helm
def test_the_pods_fit_into_the_connections_of_postgresql(
    objects: dict[str, Object], settings: Settings
) -> None:
    """Mutant: forget the pod that a rollout adds."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    most = objects["HorizontalPodAutoscaler night-web"]["spec"]["maxReplicas"]
    surge = objects["Deployment night-web"]["spec"]["strategy"]["rollingUpdate"]
    needed = connections(settings, instances=most + surge["maxSurge"])

    assert needed <= values["database"]["maxConnections"]
    fits, refused = (
        helm(f"database.maxConnections={number}") for number in (needed, needed - 1)
    )
    assert fits.returncode == 0
    assert f"would open {needed} connections" in refused.stderr


def test_the_ingress_has_the_limits_of_the_sample_for_nginx() -> None:
    """Mutant: no annotations, so that ingress-nginx refuses an import above 1 MB."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    found = values["ingress"]["annotations"]
    sample = (ROOT / "deploy/nginx.conf").read_text()

    assert f"client_max_body_size {found[prefix + 'body-size']};" in sample
    assert f"proxy_read_timeout {found[prefix + 'read-timeout']}s;" in sample


@needs_helm
def test_a_value_that_the_chart_does_not_know_is_refused() -> None:
    """Mutant: no schema, so that a misspelt value has no effect."""
    assert "replicas" in helm("autoscaling.replicas=3").stderr


@needs_helm
def test_the_migration_runs_before_the_rollout(objects: dict[str, Object]) -> None:
    job = objects["Job night-migrate"]
    hooks = job["metadata"]["annotations"]["helm.sh/hook"]
    [container] = job["spec"]["template"]["spec"]["containers"]

    assert hooks == "pre-install,pre-upgrade"
    assert container["command"] == [NAME, "db", "upgrade"]
    # Neither exists yet at the first installation.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert "configMapRef" not in str(container)
