"""The rules for Prometheus: what they ask for exists, each alert says what to do, and promtool sees it fire."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from exported_metrics import selectors, series
from prometheus_server import find_tool

from attendant.errors import Reason
from services.gateway.histograms import SHARES
from services.gateway.metrics import BUCKETS
from services.gateway.statuses import CODES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "k8s" / "monitoring"
FILES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = sorted((FOLDER / "rules" / "tests").glob("*.yml"))
GROUPS = [group for path in FILES for group in yaml.safe_load(path.read_text())["groups"]]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDS = [rule for rule in RULES if "record" in rule]
BURNS = "AttendantErrorBudgetBurns"
RUNBOOK = ROOT / "docs" / "runbook.md"
QUERIES = [
    line
    for block in re.findall(
        r"^```promql\n(.*?)^```$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for line in block.splitlines()
]


def named(rule):
    return rule.get("alert") or rule["record"]


def headings(path):
    lines = re.findall(r"^### (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {line.lower().replace(" ", "-"): line for line in lines}


def test_there_are_rules():
    assert {path.stem for path in FILES} == {"service", "attention", "monitor"}
    assert len({alert["alert"] for alert in ALERTS}) > 20
    assert all(named(rule).startswith(("Attendant", "model_method:attendant_")) for rule in RULES)


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_an_alert_says_what_happened_and_where_to_read_on(alert):
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(
        text.strip().endswith((".", "}"))
        for key, text in alert["annotations"].items()
        if key != "runbook_url"
    )
    page, _, place = alert["annotations"]["runbook_url"].partition("#")
    assert headings(ROOT / page)[place] == alert["alert"]


def test_the_runbook_has_no_section_without_an_alert():
    sections = [name for name in headings(RUNBOOK).values() if name.startswith("Attendant")]
    assert set(sections) == {alert["alert"] for alert in ALERTS}


def test_every_section_of_the_runbook_says_what_to_do():
    sections = re.split(r"^#+ ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    alerts = [section for section in sections if section.startswith("Attendant")]
    unhelpful = [section for section in alerts if "\nDo" not in section and "| do |" not in section]
    assert [section.partition("\n")[0] for section in unhelpful] == []


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("up", [("up", set())]),
        ('sum by (a, b) (rate(x_total{c="d{e}", f=~"g"}[5m])) > 0', [("x_total", {"c", "f"})]),
        ("x / on (a) group_left () y:z offset 5m == bool 0", [("x", set()), ("y:z", set())]),
        ("max\n  by (a) (x)\nor vector(1) unless y and 1e6 * z", [("x", set()), ("y", set()), ("z", set())]),
        ("increase(max by (a) (x)[6h:1m])", [("x", set())]),
    ],
)
def test_series_are_found_in_an_expression(expr, expected):
    assert selectors(expr) == expected


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_what_a_rule_asks_for_is_exported_with_these_labels(rule):
    asked = selectors(rule["expr"])
    assert asked
    for name, labels in asked:
        assert name in series(), f"{name} is not exported"
        assert labels <= series()[name], f"{name} has no {labels - series()[name]}"


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_an_alert_tells_labels_that_it_has(alert):
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
    by = re.match(r"\s*(?:1 - )?\(?(?:sum|max)\s*(?:by \(([^)]*)\))?", alert["expr"])
    kept = re.split(r", *", by[1] or "") if by else series()[selectors(alert["expr"])[0][0]]
    assert told <= set(kept)


def test_bounds_are_edges_of_the_buckets():
    edges = {
        (name, float(edge))
        for rule in RULES
        for name, edge in re.findall(r'(\w+)_bucket\{[^}]*le="([^"]+)"', rule["expr"])
    }
    assert edges == {("attendant_request_seconds", 0.25), ("attendant_focus_risk", 0.5)}
    assert 0.25 in BUCKETS
    assert 0.5 in SHARES


def test_codes_and_reasons_exist():
    matched = [
        (label, values.split("|"))
        for rule in RULES
        for label, values in re.findall(r'(code|reason)=~?"([^"]+)"', rule["expr"])
    ]
    known = {
        "code": {codes.grpc.name for codes in CODES.values()},
        "reason": {reason.value for reason in Reason},
    }
    assert matched
    assert all(set(values) <= known[label] for label, values in matched)


def test_each_objective_is_recorded_in_the_same_way_for_every_window():
    windows = {rule["record"].rpartition("rate")[2] for rule in RECORDS}
    assert windows == {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}
    for objective in ("availability", "latency"):
        found = [rule for rule in RECORDS if rule["labels"] == {"objective": objective}]
        assert {rule["record"].rpartition("rate")[2] for rule in found} == windows
        assert (
            len({rule["expr"].replace(f"[{rule['record'].rpartition('rate')[2]}]", "[W]") for rule in found})
            == 1
        )


def test_alerts_on_the_budget_are_those_of_the_workbook():
    """Google, The Site Reliability Workbook, table 5-8: burn rate, long window, short window."""
    found = [
        re.findall(r"rate(\w+) > ([\d.]+)", alert["expr"]) for alert in ALERTS if alert["alert"] == BURNS
    ]
    assert found == [
        [("1h", "14.4"), ("5m", "14.4")],
        [("6h", "6"), ("30m", "6")],
        [("1d", "3"), ("2h", "3")],
        [("3d", "1"), ("6h", "1")],
    ]


def test_every_alert_fires_in_one_test_and_stays_quiet_in_another():
    cases = [
        case
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    names = {alert["alert"] for alert in ALERTS}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("query", QUERIES)
def test_what_the_runbook_asks_for_is_exported_with_these_labels(query):
    asked = selectors(query)
    assert asked
    for name, labels in asked:
        assert name in series(), f"{name} is not exported"
        assert labels <= series()[name], f"{name} has no {labels - series()[name]}"


def test_the_runbook_names_nothing_that_is_not_exported():
    named = set(re.findall(r"`(attendant_\w+)", RUNBOOK.read_text(encoding="utf-8")))
    assert named
    assert named <= set(series())


@pytest.fixture
def promtool():
    tool = find_tool("promtool")
    if tool is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    return tool


def test_promtool_sees_them_fire(promtool):
    done = subprocess.run(
        [promtool, "test", "rules", *map(str, TESTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_understands_the_runbook(promtool, tmp_path):
    path = tmp_path / "queries.yml"
    rules = [{"record": f"runbook:{number}", "expr": query} for number, query in enumerate(QUERIES)]
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration(promtool):
    done = subprocess.run(
        [promtool, "check", "config", str(FOLDER / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FILES)} rule files found" in done.stdout


def test_the_configuration_has_the_jobs_that_rules_know():
    jobs = {
        job["job_name"] for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    }
    assert {job for rule in RULES for job in re.findall(r'job="([^"]+)"', rule["expr"])} == jobs
