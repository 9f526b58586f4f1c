"""What the gateway and the monitor export, and what a PromQL expression asks for."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "k8s" / "monitoring" / "rules"

_ROW = re.compile(r"^\| `?(attendant_\w+)`? \| (counter|gauge|histogram) \| ([^|]*)\|", re.MULTILINE)
_PROCESS = {
    "process_resident_memory_bytes": "gauge",
    "process_cpu_seconds_total": "counter",
    "process_open_fds": "gauge",
}


@dataclass(frozen=True)
class Metric:
    """`name` as Prometheus shows it: a counter's ends in _total, a histogram's has no ending."""

    name: str
    type: str
    labels: frozenset[str]


@cache
def exported() -> Mapping[str, Metric]:
    """Every metric of the service, of Prometheus itself and of TorchServe, by name."""
    table = _ROW.findall(TABLE.read_text(encoding="utf-8"))
    found = {name: Metric(name, kind, frozenset(re.findall(r"\w+", labels))) for name, kind, labels in table}
    found |= {name: Metric(name, kind, frozenset()) for name, kind in _PROCESS.items()}
    found["up"] = Metric("up", "gauge", frozenset())
    found["ALERTS"] = Metric("ALERTS", "gauge", frozenset({"alertname", "alertstate"}))
    return found | _torchserve()


@cache
def recorded() -> frozenset[str]:
    """The series that the rules make."""
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]]
    return frozenset(rule["record"] for group in groups for rule in group["rules"] if "record" in rule)


@cache
def series() -> Mapping[str, frozenset[str]]:
    """The labels of every series that a query may ask for, by name."""
    named = dict.fromkeys(recorded(), frozenset({"model", "method", "objective"}))
    for metric in exported().values():
        labels = metric.labels | {"job", "instance"}  # Prometheus adds these
        if metric.type == "histogram":
            named |= {f"{metric.name}_bucket": labels | {"le"}, f"{metric.name}_sum": labels}
            named[f"{metric.name}_count"] = labels
        else:
            named[metric.name] = labels
    return named


def selectors(expr: str) -> list[tuple[str, frozenset[str]]]:
    """The names of series in an expression, each with the labels that it is chosen by."""
    bare = re.sub(r'"[^"]*"', '""', expr)
    bare = re.sub(
        r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\[[^]]*\]|\boffset \w+", "", bare
    )
    return [
        (name, frozenset(re.findall(r"(\w+)\s*[=!]", labels)))
        for name, call, labels in re.findall(r"(?<![\w$.])([A-Za-z_][\w:]*)\s*(\()?(\{[^}]*\})?", bare)
        if not call and name not in ("and", "or", "unless", "bool")
    ]


def _torchserve() -> dict[str, Metric]:
    """As its own file says; what is only counted over HTTP, of which the gateway makes no use, is left out."""
    package = importlib.util.find_spec("ts")
    assert package is not None
    assert package.origin is not None
    content = yaml.safe_load((Path(package.origin).parent / "configs" / "metrics.yaml").read_text())
    gauges = content["ts_metrics"]["gauge"] + content["model_metrics"]["gauge"]
    return {entry["name"]: Metric(entry["name"], "gauge", frozenset(entry["dimensions"])) for entry in gauges}
