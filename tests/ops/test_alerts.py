"""Alerts, runbooks and the series of the code hang together."""

import re
import shutil
import subprocess

import pytest
from prometheus_client import REGISTRY

import api.telemetry
import collab.metrics
from tests.conftest import ROOT

RULES = ROOT / "ops" / "alerts" / "colane.yaml"
RUNBOOKS = ROOT / "ops" / "runbooks"
OURS = re.compile(r"\bcolane_[a-z_]+[a-z]\b")


def known() -> set[str]:
    """Names of samples that the code can make."""
    assert api.telemetry.REQUESTS
    assert collab.metrics.DURABLE
    names = set()
    for family in REGISTRY.collect():
        if family.name.startswith("colane_"):
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            names |= {family.name + ending for ending in endings}
    return names


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert sorted(alerts) == sorted(page.stem for page in RUNBOOKS.glob("*.md"))
    for page in RUNBOOKS.glob("*.md"):
        text = page.read_text()
        assert text.startswith(f"# {page.stem}\n")
        for part in ("Meaning", "Impact", "Diagnosis", "What to do"):
            assert f"**{part}.**" in text, page.name


def test_alerts_and_runbooks_name_series_that_exist() -> None:
    used = set(OURS.findall(RULES.read_text()))
    assert used, "the rules name no series"
    assert used <= known()


def test_the_page_on_operations_lists_every_series() -> None:
    listed = set(OURS.findall((ROOT / "ops" / "README.md").read_text()))
    families = {family.name for family in REGISTRY.collect() if family.name.startswith("colane_") and known()}
    assert {name.removesuffix("_total") for name in listed} == families


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: the package prometheus)")
    done = subprocess.run(
        [promtool, "test", "rules", "colane.test.yaml"], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
