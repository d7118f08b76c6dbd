"""The chart, rendered once with its defaults and once with other values."""

import pytest
import yaml

from tests.support.chart import Object, Values, render

# Each value differs from the default, so that tests notice a fixed value in a template.
GIVEN: Values = {
    "existingSecret": "vault",
    "settings": {
        "API_V1_PREFIX": "/v1",
        "DB_MAX_OVERFLOW": 1,
        "MAX_BODY_BYTES": 2_000_000,
        "REQUEST_DEADLINE_SECONDS": 12.5,
        "ROUTE_PLANS": False,
    },
    "web": {
        "workers": 3,
        "preStopSeconds": 9,
        "drainDelaySeconds": 20,
        "gracefulTimeoutSeconds": 70,
    },
    "autoscaling": {"maxReplicas": 5},
    "database": {"maxConnections": 300},
    "ingress": {"enabled": True},
    "networkPolicy": {"from": [{"podSelector": {}}], "egressPorts": [6432, 6379]},
}


@pytest.fixture(
    scope="module",
    params=[{"ingress": {"enabled": True}}, GIVEN],
    ids=["defaults", "given"],
)
def values(request: pytest.FixtureRequest) -> Values:
    given: Values = request.param
    return given


@pytest.fixture(scope="module")
def objects(values: Values) -> dict[str, Object]:
    """Every object, by its kind and its name."""
    rendered = render(values)
    assert rendered.returncode == 0, rendered.stderr
    loaded = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in loaded}
