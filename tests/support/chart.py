"""Render the chart with Helm."""

import subprocess
from typing import Any

import pytest
import yaml

from app.identity import NAME
from testbed.service import ROOT
from tests.support.tools import tool

CHART = ROOT / "deploy/helm" / NAME
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
Values = dict[str, Any]
Object = dict[str, Any]


def render(values: Values) -> subprocess.CompletedProcess[str]:
    """Render the chart as the release `night`. Skip the test without helm."""
    helm = tool("helm")
    if helm is None:
        pytest.skip("helm is missing: run `make .venv/deploy`")
    return subprocess.run(
        [helm, "template", "--kube-version=1.34.0", "--values=-", "night", str(CHART)],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=False,
    )


def merged(values: Values, given: Values) -> Values:
    """Merge objects key by key, and replace everything else, as Helm does."""
    return values | {
        key: merged(values[key], value)
        if isinstance(value, dict) and isinstance(values.get(key), dict)
        else value
        for key, value in given.items()
    }


def templates(objects: dict[str, Object]) -> dict[str, Object]:
    """Return the pod that each object starts, by the name of the object."""
    return {
        name: each["spec"]["template"]
        for name, each in objects.items()
        if "template" in each.get("spec", {})
    }
