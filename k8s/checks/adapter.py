"""The metrics that prometheus-adapter makes for autoscalers, out of series that the gateways export."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from k8s.checks.documents import Build, Finding, Json
from k8s.checks.servers import gateway_series

ADAPTER = "prometheus-adapter"
TARGET_LABELS = frozenset({"namespace", "pod", "service"})  # which Prometheus adds, by the ServiceMonitor
MATCHERS = "<<.LabelMatchers>>"  # where the adapter writes the namespace and the selector that an autoscaler asks for

_SERIES = re.compile(r"\b(attendant_\w+)(?:{([^}]*)})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\bby\s*\(([^)]*)\)\s*(?=\()")
_STRING = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Series:
    """As a query names it: its selector, and the labels that are kept of it."""

    name: str
    selector: str
    kept: frozenset[str]


def check_metrics(build: Build) -> Iterator[Finding]:
    """What an autoscaler asks prometheus-adapter for, it makes: of series that there are, one namespace at a time."""
    rules = dict(_external_rules(build))
    for name, rule in rules.items():
        for problem in _problems(rule):
            yield Finding(f"{ADAPTER} {name}", problem)
    for scaler in build.of("HorizontalPodAutoscaler"):
        for metric in scaler.spec.get("metrics") or []:
            asked = (metric.get("external") or {}).get("metric")
            if not asked:
                continue
            if asked["name"] not in rules:
                yield scaler.find(f"nothing in the build makes {asked['name']}", "metrics")
                continue
            series = _series(rules[asked["name"]]["metricsQuery"])
            kept = frozenset.intersection(*(one.kept for one in series)) if series else frozenset()
            labels = (asked.get("selector") or {}).get("matchLabels") or {}
            for label in sorted(labels.keys() - kept):
                yield scaler.find(f"{asked['name']} has no label {label}", "metrics")


def _external_rules(build: Build) -> Iterator[tuple[str, Json]]:
    """By the names of their metrics, as prometheus-adapter's configuration has them."""
    document = build.get("ConfigMap", ADAPTER)
    text = (document.content.get("data") or {}).get("config.yaml", "") if document else ""
    for rule in (yaml.safe_load(text) or {}).get("externalRules") or []:
        yield rule["name"]["as"], rule


def _problems(rule: Json) -> Iterator[str]:
    overrides = (rule.get("resources") or {}).get("overrides") or {}
    if (overrides.get("namespace") or {}).get("resource") != "namespace":
        yield "resources.overrides does not say which label is the namespace: those of all would be mixed"
    series = _series(rule["metricsQuery"])
    for one in series:
        if MATCHERS not in one.selector:
            yield f"{one.name} lacks {{{MATCHERS}}}: those of all namespaces would be mixed"
    known = gateway_series()
    yield from sorted(
        {problem for one in (*_series(rule["seriesQuery"]), *series) for problem in _missing(one, known)}
    )


def _missing(series: Series, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if series.name not in known:
        yield f"no gateway exports {series.name}"
        return
    named = {*_MATCHER.findall(series.selector), *series.kept}
    for label in sorted(named - known[series.name] - TARGET_LABELS):
        yield f"{series.name} has no label {label}"


def _series(query: str) -> list[Series]:
    """Those of a query. `by (…)` stands before what it is of."""
    query = _STRING.sub('""', query)
    spans = [(_closed(query, by.end()), by.group(1)) for by in _BY.finditer(query)]
    return [
        Series(
            found[1],
            found[2] or "",
            frozenset(
                label.strip()
                for span, labels in spans
                if found.start() in span
                for label in labels.split(",")
            ),
        )
        for found in _SERIES.finditer(query)
    ]


def _closed(query: str, start: int) -> range:
    """From the parenthesis at `start` to the one that closes it."""
    depth = 0
    for place in range(start, len(query)):
        depth += {"(": 1, ")": -1}.get(query[place], 0)
        if depth == 0:
            return range(start, place)
    return range(start, len(query))
