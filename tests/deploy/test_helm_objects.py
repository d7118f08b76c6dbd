"""The objects of the chart name the right pods and ports, and limit connections."""

import pytest

from app.identity import NAME
from testbed.service import ROOT
from tests.support.chart import (
    DEFAULTS,
    Object,
    Values,
    merged,
    render,
    templates,
)

PODS = {"Deployment night-web", "Deployment night-worker", "Job night-migrate"}


def chosen(objects: dict[str, Object], labels: dict[str, str]) -> set[str]:
    """The objects whose pods these labels choose."""
    assert labels
    return {
        name
        for name, template in templates(objects).items()
        if labels.items() <= template["metadata"]["labels"].items()
    }


def test_selectors_choose_the_right_pods(objects: dict[str, Object]) -> None:
    """Mutant: omit the component in the Service, which then also finds the worker."""
    only_web = {"Deployment night-web"}
    spec = {name: each.get("spec", {}) for name, each in objects.items()}
    budget = spec["PodDisruptionBudget night-web"]
    policy = spec["NetworkPolicy night"]

    assert chosen(objects, spec["Service night"]["selector"]) == only_web
    assert chosen(objects, budget["selector"]["matchLabels"]) == only_web
    assert chosen(objects, policy["podSelector"]["matchLabels"]) == PODS
    for name in ("Deployment night-web", "Deployment night-worker"):
        assert chosen(objects, spec[name]["selector"]["matchLabels"]) == {name}


def test_requests_reach_the_port_of_the_container(objects: dict[str, Object]) -> None:
    """Mutant: rename the port of the Service, but not in the Ingress."""
    [container] = templates(objects)["Deployment night-web"]["spec"]["containers"]
    [port] = container["ports"]
    [served] = objects["Service night"]["spec"]["ports"]
    [rule] = objects["Ingress night"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    [allowed] = objects["NetworkPolicy night"]["spec"]["ingress"]

    assert served["targetPort"] == port["name"]
    assert path["backend"]["service"] == {
        "name": "night",
        "port": {"name": served["name"]},
    }
    assert allowed["ports"] == [{"port": port["name"]}]


def test_some_pods_always_run(objects: dict[str, Object]) -> None:
    """Mutants: set `maxUnavailable: 2`; set `replicas`, which resets the autoscaler."""
    deployment = objects["Deployment night-web"]["spec"]
    scaler = objects["HorizontalPodAutoscaler night-web"]["spec"]
    budget = objects["PodDisruptionBudget night-web"]["spec"]

    assert "replicas" not in deployment
    assert scaler["scaleTargetRef"]["name"] == "night-web"
    assert budget["maxUnavailable"] < scaler["minReplicas"] <= scaler["maxReplicas"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    [container] = deployment["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"]  # the autoscaler needs it


def test_pods_spread_over_zones_and_nodes(objects: dict[str, Object]) -> None:
    """Mutant: use the labels of the worker."""
    pod = templates(objects)["Deployment night-web"]["spec"]
    zone, node = pod["topologySpreadConstraints"]

    assert zone["topologyKey"] == "topology.kubernetes.io/zone"
    assert node["topologyKey"] == "kubernetes.io/hostname"
    for each in (zone, node):
        labels = each["labelSelector"]["matchLabels"]
        assert chosen(objects, labels) == {"Deployment night-web"}
        # A cluster with one zone can still start all pods.
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"


def test_pods_reach_only_what_the_values_name(
    objects: dict[str, Object], values: Values
) -> None:
    """Mutants: omit `Egress` from policyTypes; ignore the value of `from`."""
    given = merged(DEFAULTS, values)["networkPolicy"]
    policy = objects["NetworkPolicy night"]["spec"]
    dns, servers = policy["egress"]
    [allowed] = policy["ingress"]

    assert {*policy["policyTypes"]} == {"Ingress", "Egress"}
    assert {each["port"] for each in dns["ports"]} == {53}
    assert [each["port"] for each in servers["ports"]] == given["egressPorts"]
    assert allowed.get("from", []) == given["from"]


def test_the_migration_runs_before_the_rollout(objects: dict[str, Object]) -> None:
    """Mutant: use `post-upgrade`, so that new code runs with the old schema."""
    job = objects["Job night-migrate"]
    hooks = job["metadata"]["annotations"]
    [container] = job["spec"]["template"]["spec"]["containers"]

    assert hooks["helm.sh/hook"] == "pre-install,pre-upgrade"
    # A Job cannot be changed, so Helm must delete it before the next upgrade.
    assert "before-hook-creation" in hooks["helm.sh/hook-delete-policy"]
    assert container["command"] == [NAME, "db", "upgrade"]
    # At the first installation the ServiceAccount and the ConfigMap do not exist yet.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert "configMapRef" not in str(container)


def test_one_image_runs_everywhere() -> None:
    """Mutant: use the tag although there is a digest."""
    digest = f"sha256:{'a' * 64}"
    rendered = render({"image": {"tag": "9", "digest": digest}}).stdout

    assert rendered.count(f"image: {DEFAULTS['image']['repository']}@{digest}\n") == 3


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"autoscaling": {"replicas": 3}}, "replicas"),
        ({"settings": {"WEB_CONCURRENCY": 4}}, "WEB_CONCURRENCY"),
        ({"networkPolicy": {"egressPorts": []}}, "egressPorts"),
    ],
    ids=["unknown", "set twice", "every port"],
)
def test_a_value_that_would_mislead_is_refused(given: Values, named: str) -> None:
    """Mutants: remove the schema; let an empty list of ports allow every port."""
    refused = render(given)

    assert refused.returncode != 0
    assert named in refused.stderr


def test_the_ingress_has_the_limits_of_the_sample_for_nginx() -> None:
    """Mutant: remove the annotations, so that ingress-nginx refuses more than 1 MB."""
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    found = DEFAULTS["ingress"]["annotations"]
    sample = (ROOT / "deploy/nginx.conf").read_text()

    assert f"client_max_body_size {found[prefix + 'body-size']};" in sample
    assert f"proxy_read_timeout {found[prefix + 'read-timeout']}s;" in sample
