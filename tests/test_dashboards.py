"""Dashboards and alerts name metrics that the server has, with labels that these metrics have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from prometheus_client.metrics import MetricWrapperBase

from hodhod_server.telemetry import metrics
from tests import source_tree

DASHBOARDS: Final = [
    path for path in source_tree.text_files() if path.match("deploy/grafana/*.json")
]
ALERTS: Final = [path for path in source_tree.text_files() if path.match("deploy/prometheus/*.yml")]
SELECTED: Final = re.compile(r"(?P<name>hodhod_\w+)(?:\{(?P<labels>[^}]*)\})?")
LABEL: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
BY: Final = re.compile(r"by \((?P<labels>[^)]*)\) \((?P<rest>[^\n]*)")
ALERT: Final = re.compile(
    r"^      - alert: (?P<name>\w+)\n(?P<body>(?:        .*\n)+)", re.MULTILINE
)
EXPRESSION: Final = re.compile(
    r"^        expr: (?:>-\n)?(?P<text>.*(?:\n          .*)*)", re.MULTILINE
)


def _declared() -> Iterator[tuple[str, set[str]]]:
    """Every name under which a metric is scraped, with its labels."""
    for collector in vars(metrics).values():
        if not isinstance(collector, MetricWrapperBase):
            continue
        (family,) = collector.describe()
        labels = set(collector._labelnames)
        match family.type:
            case "counter":
                yield f"{family.name}_total", labels
            case "histogram":
                yield f"{family.name}_bucket", {*labels, "le"}
                yield f"{family.name}_sum", labels
                yield f"{family.name}_count", labels
            case _:
                yield family.name, labels


DECLARED: Final = dict(_declared())


def _panels(path: PurePosixPath) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(source_tree.read(path))["panels"]
    return [panel for panel in panels if panel["type"] != "row"]


def _expressions(path: PurePosixPath) -> Iterator[str]:
    """All PromQL of a file."""
    if path.suffix == ".json":
        for panel in _panels(path):
            yield from (target["expr"] for target in panel["targets"])
        variables = json.loads(source_tree.read(path))["templating"]["list"]
        yield from (item["definition"] for item in variables if item["type"] == "query")
    else:
        yield from (match["text"] for match in EXPRESSION.finditer(source_tree.read(path)))


def _unknown(expression: str) -> Iterator[str]:
    """What an expression names that the server does not have."""
    for selected in SELECTED.finditer(expression):
        name = selected["name"]
        if name not in DECLARED:
            yield name
            continue
        labels = set(LABEL.findall(re.sub(r'"[^"]*"', "", selected["labels"] or "")))
        yield from (f"{name}{{{label}}}" for label in labels - DECLARED[name])
    for grouped in BY.finditer(expression):
        first = SELECTED.search(grouped["rest"])
        if first is not None and first["name"] in DECLARED:
            labels = {label.strip() for label in grouped["labels"].split(",")}
            yield from (f"{first['name']} by {one}" for one in labels - DECLARED[first["name"]])


@pytest.mark.parametrize("path", [*DASHBOARDS, *ALERTS], ids=str)
def test_every_metric_and_label_that_is_named_exists(path: PurePosixPath) -> None:
    expressions = list(_expressions(path))
    assert expressions
    unknown = {what for expression in expressions for what in _unknown(expression)}
    assert not unknown, "declare it in telemetry/metrics.py, or name it as it is there"


def test_a_name_or_a_label_that_is_wrong_is_found() -> None:
    assert list(_unknown("rate(hodhod_signup_typed_total[5m])")) == ["hodhod_signup_typed_total"]
    wrong = 'sum by (chat) (hodhod_signup_queue_sends{provider="a"})'
    assert sorted(_unknown(wrong)) == [
        "hodhod_signup_queue_sends by chat",
        "hodhod_signup_queue_sends{provider}",
    ]


@pytest.mark.parametrize("path", DASHBOARDS, ids=str)
def test_a_dashboard_can_be_imported_anywhere(path: PurePosixPath) -> None:
    dashboard = json.loads(source_tree.read(path))
    assert dashboard["schemaVersion"] >= 39
    assert "datasource" in {item["name"] for item in dashboard["templating"]["list"]}
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in _panels(path):
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}, panel["title"]
        assert panel["description"].endswith("."), f"{panel['title']}: say how to read it"


@pytest.mark.parametrize("path", DASHBOARDS, ids=str)
def test_panels_do_not_cover_each_other(path: PurePosixPath) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads(source_tree.read(path))["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("path", ALERTS, ids=str)
def test_every_alert_says_what_is_wrong_and_whom_to_wake(path: PurePosixPath) -> None:
    text = source_tree.read(path)
    alerts = list(ALERT.finditer(text))
    assert len(alerts) == text.count("- alert:") == len(list(EXPRESSION.finditer(text)))
    for alert in alerts:
        assert "labels: {severity: " in alert["body"], alert["name"]
        assert "summary: " in alert["body"], alert["name"]
        assert "description: " in alert["body"], alert["name"]
