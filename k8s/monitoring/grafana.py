"""Grafana dashboards as data, and the JSON that Grafana reads (version 10 and later)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

COLUMNS = 24  # of a dashboard
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "heatmap", "table", "state-timeline"]
Queries = Mapping[str, str]  # legend, which names labels in double braces, to PromQL
Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """`unit` as Grafana calls it; `width` in columns; `repeat`: the variable whose every value has a panel."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: Queries
    width: int = 8
    stacked: bool = False
    repeat: str = ""


@dataclass(frozen=True)
class Variable:
    """The values that a label has in the series of `of`; several may be chosen, and all are at first."""

    label: str
    of: str


@dataclass(frozen=True)
class Dashboard:
    """`rows` by their titles. `file` is the name of its file and address, without the service's name."""

    file: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: Mapping[str, tuple[Panel, ...]]

    def queries(self) -> Iterator[str]:
        """Every expression, variables and annotations included."""
        yield ALARMS
        yield from (variable.of for variable in self.variables)
        yield from (
            expr for panels in self.rows.values() for panel in panels for expr in panel.queries.values()
        )


ALARMS = 'ALERTS{alertname="AttendantDrift", alertstate="firing"}'  # shown in every panel


def lines(title: str, description: str, unit: str, queries: Queries, **more: Any) -> Panel:
    return Panel("timeseries", title, description, unit, queries, **more)


def number(title: str, description: str, unit: str, query: str, legend: str = "", width: int = 4) -> Panel:
    return Panel("stat", title, description, unit, {legend: query}, width)


def states(title: str, description: str, queries: Queries, **more: Any) -> Panel:
    return Panel("state-timeline", title, description, "bool", queries, **more)


def table(title: str, description: str, query: str, **more: Any) -> Panel:
    return Panel("table", title, description, "none", {"": query}, **more)


def heatmap(title: str, description: str, unit: str, metric: str, labels: str, **more: Any) -> Panel:
    """Of a histogram with classic buckets."""
    query = f"sum by (le) (increase({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return Panel("heatmap", title, description, unit, {"{{le}}": query}, **more)


def render(dashboard: Dashboard) -> str:
    """The dashboard's file."""
    content = {
        "uid": f"attendant-{dashboard.file}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["attendant"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,  # a shared crosshair
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "annotations": {"list": [_annotation()]},
        "panels": list(_place(dashboard.rows)),
    }
    return json.dumps(content, indent=1) + "\n"


def _datasource() -> Json:
    return {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.of}, {variable.label})"
    return {
        "type": "query",
        "name": variable.label,
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": variable.label},
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _annotation() -> Json:
    return {
        "name": "Drift",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": ALARMS,
        "titleFormat": "Attention of {{model}}/{{version}} drifts",
        "textFormat": "{{modalities}} {{window}} {{statistic}}/{{target}}/{{source}}",
    }


def _place(rows: Mapping[str, tuple[Panel, ...]]) -> Iterator[Json]:
    """From left to right, and down where a row of the grid is full."""
    number, y = 0, 0
    for title, panels in rows.items():
        number += 1
        yield {"type": "row", "id": number, "title": title, "gridPos": _box(0, y, COLUMNS, 1), "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            height = 4 if panel.kind == "stat" else 8
            yield {"id": number, "gridPos": _box(x, y, panel.width, height), **_panel(panel)}
            x, tallest = x + panel.width, max(tallest, height)
        y += tallest


def _box(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> Json:
    custom = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if panel.stacked else {}
    repeated = {"repeat": panel.repeat, "repeatDirection": "h", "maxPerRow": 4} if panel.repeat else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "options": _OPTIONS.get(panel.kind, {})
        | ({"yAxis": {"unit": panel.unit}} if panel.kind == "heatmap" else {}),
        "targets": [
            _target(panel.kind, chr(ord("A") + place), legend, expr)
            for place, (legend, expr) in enumerate(panel.queries.items())
        ],
        **repeated,
    }


_OPTIONS: dict[Kind, Json] = {
    "timeseries": {"tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"},
    "heatmap": {"calculate": False, "color": {"scheme": "Oranges"}},
    "state-timeline": {"showValue": "never", "mergeValues": True},
}


def _target(kind: Kind, letter: str, legend: str, expr: str) -> Json:
    formats = {"heatmap": "heatmap", "table": "table"}
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": expr,
        "legendFormat": legend,
        "format": formats.get(kind, "time_series"),
        "instant": kind == "table",
        "range": kind != "table",
    }
