"""Alerts, dashboard and docs name only metrics and labels that `/metrics` has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from domains import jobs as domains_jobs
from inbound_admin.lib import counters
from inbound_admin.lib.jobs import LATE_AFTER
from inbound_admin.lib.lanes import WorkLane
from tests.domains.factories import make_domain

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "inbound-admin.json").read_text())
DOCS = (ROOT / "docs" / "deployment.md").read_text()
PROMETHEUS_OWN = {"up": {"job"}}
SELECTOR = re.compile(r"\b(inbound_admin_\w+|up)\b(?:\{([^}]*)\})?")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def selected_labels() -> dict[str, set[str]]:
    """Return the labels that expressions select, by metric."""
    found: dict[str, set[str]] = {}
    for expression in expressions():
        for name, selected in SELECTOR.findall(expression):
            found.setdefault(name, set()).update(re.findall(r"(\w+)[=!]", selected))
    return found


@pytest.fixture
def exported(db: None, client: Client, settings: Settings) -> dict[str, set[str]]:
    """Return the labels of each sample of /metrics."""
    settings.METRICS_TOKEN = "tell-me"
    counters.count("aws_call", label="GetAccount", outcome="ok")
    domains_jobs.queue_set_up(make_domain())
    client.get("/readyz")
    text = client.get("/metrics", headers={"Authorization": "Bearer tell-me"}).content.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        name: {label for each in samples if each.name == name for label in each.labels}
        for name in {sample.name for sample in samples}
    }


def test_alerts_and_dashboard_name_only_existing_metrics_and_labels(exported: dict[str, set[str]]) -> None:
    selected_metrics = selected_labels()
    assert len(selected_metrics) >= 8
    known = exported | PROMETHEUS_OWN
    assert {
        name: labels for name, labels in selected_metrics.items() if not labels <= known.get(name, {"no such metric"})
    } == {}
    assert set(selected_metrics) <= set(known)


def test_grouped_labels_exist(exported: dict[str, set[str]]) -> None:
    known = {label for labels in exported.values() for label in labels} | {"instance"}
    grouped = {
        word for text in expressions() for found in re.findall(r"by \(([^)]*)\)", text) for word in found.split(", ")
    }
    shown = {
        word
        for panel in DASHBOARD["panels"]
        for one in panel["targets"]
        for word in re.findall(r"{{(\w+)}}", one["legendFormat"])
    }
    assert grouped | shown <= known


def test_the_docs_name_exactly_the_exported_metrics(exported: dict[str, set[str]]) -> None:
    written = set(re.findall(r"`(inbound_admin_\w+)`", DOCS))
    ours = {name for name in exported if name.startswith("inbound_admin_")}
    plain = {
        re.sub(r"_seconds_(bucket|count|sum)$", "_seconds", name) for name in ours if not name.endswith("_created")
    }
    assert written == plain


def test_the_limits_of_the_lanes_match_healthz() -> None:
    bounds = {
        lane: int(seconds)
        for rule in rules()
        for lane, seconds in re.findall(r'oldest_job_seconds\{lane="(\w+)"\}\) > (\d+)', rule["expr"])
    }
    assert bounds == {lane.queue: seconds for lane, seconds in LATE_AFTER.items()}
    assert {lane.queue for lane in WorkLane} - set(bounds) == {"background"}


def test_each_alert_has_a_severity_a_summary_and_a_description() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert len(rule["annotations"]["description"]) > 20, rule["alert"]


def test_panels_have_unique_ids_and_titles_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_rules(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([promtool, *arguments], cwd=RULES.parent, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
