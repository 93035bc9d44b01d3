"""What docs/operations.md, the alert rules and the dashboard name is what /metrics shows, and the other way round."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import parse, validate
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from backend import VERSION
from backend.engine import metrics
from backend.monitoring import exposition
from schema.root import schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
ALERTS = ROOT / "docs" / "operations" / "alerts.yml"
DASHBOARD = ROOT / "docs" / "operations" / "dashboard.json"

pytestmark = pytest.mark.django_db

NAME = re.compile(r"\bkatha_\w+")
GROUPED = re.compile(r"by \(([\w, ]+)\) \((?:rate|increase)\((katha_\w+)")
FILTERED = re.compile(r"(katha_\w+)\{(\w+)[=!]")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def families() -> Iterator[Metric]:
    """What /metrics shows."""
    return text_string_to_metric_families(exposition.text().decode())


def series() -> set[str]:
    """The names of all series that can be asked for."""
    return {f"{one.name}{suffix}" for one in families() for suffix in SUFFIXES[one.type] if not created(one)}


def created(family: Metric) -> bool:
    """The moment that a counter was made, which is shown only where one process serves."""
    return family.name.endswith("_created")


def documented(family: Metric) -> str:
    """A metric's name as the page has it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    """Each query to Prometheus."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + shown


def test_alerts_and_dashboard_ask_for_what_is_there() -> None:
    """Each name is a series of /metrics."""
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(asked) > 20
    assert asked - series() == set()


def test_they_group_by_labels_that_are_there() -> None:
    """A label that a metric lacks would make one empty group, or an alert that never comes."""
    labels = {
        f"{one._name}{suffix}": {*one._labelnames, "le"}
        for one in metrics.REGISTRY._collector_to_names
        for suffix in ("_total", "_bucket", "")
    }
    used = [
        (name, label.strip())
        for expression in expressions()
        for by, name in GROUPED.findall(expression)
        for label in by.split(",")
    ]
    used += [pair for expression in expressions() for pair in FILTERED.findall(expression) if pair[0] in labels]
    assert len(used) > 10
    assert [(name, label) for name, label in used if label not in labels[name]] == []


def test_every_metric_is_watched_and_explained() -> None:
    """On the dashboard, and on the page."""
    shown = {name for panel in panels() for target in panel["targets"] for name in NAME.findall(target["expr"])}
    page = PAGE.read_text()
    for family in families():
        if not created(family):
            assert f"`{documented(family)}`" in page, family.name
            assert {f"{family.name}{suffix}" for suffix in SUFFIXES[family.type]} & shown, family.name


def test_the_page_names_no_other_metric() -> None:
    """None that has been renamed or is gone."""
    known = {documented(family) for family in families()}
    assert set(NAME.findall(PAGE.read_text())) - known == set()


def test_an_alert_says_what_to_do() -> None:
    """And is called by a name of its own, as is each panel."""
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in ("page", "warn")
    for names in ([rule["alert"] for rule in rules()], [panel["title"] for panel in panels()]):
        assert len(names) == len(set(names))


def test_its_query_is_one_that_can_be_asked() -> None:
    """Of the contract."""
    (query,) = re.findall(r"^```graphql\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert validate(schema._schema, parse(query)) == []


def test_the_version_is_the_projects() -> None:
    """What runs says what was built."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
