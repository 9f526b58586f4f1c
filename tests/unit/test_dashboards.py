"""The dashboards: their files are what the source generates, and Prometheus understands every query."""

import json
import re
import subprocess

import pytest
import yaml
from exported_metrics import exported, selectors, series
from prometheus_server import find_tool, in_full

from k8s.monitoring.dashboards import DASHBOARDS, FOLDER
from k8s.monitoring.grafana import COLUMNS, Dashboard, Variable, lines, number, render

QUERIES = [
    pytest.param(query, id=f"{dashboard.file}-{place}")
    for dashboard in DASHBOARDS
    for place, query in enumerate(dashboard.queries())
]
UNITS = {"none", "s", "ms", "percentunit", "bytes", "Bps", "reqps", "cps", "bool"}


def panels():
    return [panel for dashboard in DASHBOARDS for row in dashboard.rows.values() for panel in row]


def test_the_files_are_what_the_source_generates():
    assert {path.stem for path in FOLDER.glob("*.json")} == {dashboard.file for dashboard in DASHBOARDS}
    for dashboard in DASHBOARDS:
        written = (FOLDER / f"{dashboard.file}.json").read_text(encoding="utf-8")
        assert written == render(dashboard), "python -m k8s.monitoring.dashboards"


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_query_asks_for_is_exported_with_these_labels(query):
    asked = selectors(query)
    assert asked
    for name, labels in asked:
        assert name in series(), f"{name} is not exported"
        assert labels <= series()[name], f"{name} has no {labels - series()[name]}"


def test_every_metric_is_shown_somewhere():
    shown = {
        name for dashboard in DASHBOARDS for query in dashboard.queries() for name, _ in selectors(query)
    }
    shown |= {re.sub("_(bucket|sum|count)$", "", name) for name in shown}
    assert not {name for name in exported() if name.startswith("attendant_")} - shown


def test_panels_say_what_they_show_in_which_unit():
    for panel in panels():
        assert len(panel.description) > 10, panel.title
        assert panel.description.endswith("."), panel.title
        assert panel.unit in UNITS, panel.title
        assert panel.queries, panel.title


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.file)
def test_variables_are_used_and_defined(dashboard):
    text = json.dumps(json.loads(render(dashboard))["panels"])
    used = set(re.findall(r"\$\{?([a-z]\w*)", text)) - {"datasource"}
    assert used == {variable.label for variable in dashboard.variables}


def test_legends_name_labels_that_the_query_keeps():
    for panel in panels():
        for legend, query in panel.queries.items():
            named = set(re.findall(r"\{\{(\w+)\}\}", legend))
            kept = [set(re.split(r", *", by)) for by in re.findall(r"by \(([^)]*)\)", query)]
            kept = kept or [series()[name] for name, _ in selectors(query)]
            assert all(named <= labels for labels in kept), (panel.title, legend)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.file)
def test_panels_fill_the_grid_without_overlap(dashboard):
    taken, numbers = set(), set()
    for panel in json.loads(render(dashboard))["panels"]:
        box = panel["gridPos"]
        cells = {
            (x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])
        }
        assert not cells & taken, panel["title"]
        assert box["x"] + box["w"] <= COLUMNS
        taken |= cells
        numbers.add(panel["id"])
    assert len(numbers) == len(json.loads(render(dashboard))["panels"])


def test_a_row_breaks_where_it_is_full_and_the_next_stands_below_its_tallest_panel():
    rows = {
        "one": (
            number("a", "", "s", "up"),
            lines("b", "", "s", {"": "up"}, width=20),
            number("c", "", "s", "up"),
        ),
        "two": (lines("d", "", "s", {"": "up"}),),
    }
    panels = json.loads(render(Dashboard("x", "X", "", (Variable("job", "up"),), rows)))["panels"]
    corners = {panel["title"]: (panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert corners == {"one": (0, 0), "a": (0, 1), "b": (4, 1), "c": (0, 9), "two": (0, 13), "d": (0, 14)}


def test_promtool_understands_every_query(tmp_path):
    promtool = find_tool("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    rules = [
        {"record": f"query:{dashboard.file}:{place}", "expr": in_full(query)}
        for dashboard in DASHBOARDS
        for place, query in enumerate(dashboard.queries())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert "$" not in path.read_text()
    done = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
