"""The gateway's metrics: whether the page can be read, and what it says of lanes, requests and the cache."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from attendant.doctor.findings import Finding, counted, fine, found, listed
from attendant.doctor.pages import NoPageError, Web
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind

KNOWN = (  # what rules and dashboards stand on; every gateway has them, whatever its settings
    "attendant_requests",
    "attendant_requests_started",
    "attendant_request_seconds",
    "attendant_refused",
    "attendant_in_flight",
    "attendant_model_ready",
    "attendant_cache_requests",
    "attendant_cache_errors",
    "attendant_cache_breaker_open",
    "attendant_backend_failures",
    "attendant_backend_seconds",
    "attendant_queue_seconds",
    "attendant_attention_samples",
    "attendant_attention_drift_dropped_samples",
)
FAULTS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"})
OVERLOAD = "RESOURCE_EXHAUSTED"
MUCH = 0.01  # of all requests

Families = Mapping[str, Metric]


def read_metrics(web: Web, url: str) -> Families:
    """The page's metrics by name, counters without _total. Raises NoPageError where Prometheus could not read it."""
    page = web.get(f"{url}/metrics")
    if page.status != 200:
        raise NoPageError(f"/metrics says {page.status}")
    try:
        families = list(text_string_to_metric_families(page.body.decode()))
    except (ValueError, KeyError, IndexError):
        raise NoPageError("it is no page of metrics") from None
    if not families:
        raise NoPageError("the page is empty")
    return {family.name: family for family in families}


def check_metrics(families: Families) -> Iterator[Finding]:
    missing = [name for name in KNOWN if name not in families]
    if missing:
        yield found(Behind.OTHER_METRICS, f"{counted(len(missing), 'metric')} missing: {listed(missing)}")
    else:
        yield fine(Check.METRICS, f"{counted(len(families), 'metric')}, all known ones among them")


def check_lanes(families: Families, models: Sequence[str]) -> Iterator[Finding]:
    """Of those models; of all where none is named."""
    lanes = {
        f"{labels.get('model', '?')} {labels.get('lane', '?')}": value
        for labels, value in _samples(families, "attendant_model_ready")
        if not models or labels.get("model") in models
    }
    down = [name for name, value in lanes.items() if value != 1]
    if down:
        yield found(Behind.LANE_DOWN, listed(down))
    elif lanes:
        yield fine(Check.LANES, f"{counted(len(lanes), 'lane')} have workers")


def check_requests(families: Families) -> Iterator[Finding]:
    codes: dict[str, float] = {}
    for labels, value in _samples(families, "attendant_requests", "attendant_requests_total"):
        codes[labels.get("code", "?")] = codes.get(labels.get("code", "?"), 0.0) + value
    total = sum(codes.values())
    if not total:
        yield fine(Check.REQUESTS, "none since the gateway's start")
        return
    faults = {code: count for code, count in codes.items() if code in FAULTS and count}
    shares = sum(faults.values()) / total, codes.get(OVERLOAD, 0.0) / total
    seen = (
        f"{counted(round(total), 'request')} since the start, {shares[0]:.2%} failed, "
        f"{shares[1]:.2%} refused for overload"
    )
    if shares[0] >= MUCH:
        yield found(Behind.FAULTS, f"{seen} ({listed(sorted(faults))})")
    if shares[1] >= MUCH:
        yield found(Behind.OVERLOAD, seen)
    if max(shares) < MUCH:
        yield fine(Check.REQUESTS, seen)


def check_cache(families: Families) -> Iterator[Finding]:
    is_open = [value for _, value in _samples(families, "attendant_cache_breaker_open")]
    results = {
        labels.get("result", "?"): value
        for labels, value in _samples(families, "attendant_cache_requests", "attendant_cache_requests_total")
    }
    if any(is_open):
        yield found(Behind.BREAKER_OPEN, "its breaker is open")
    elif is_open:
        hits, asked = results.get("hit", 0.0), sum(results.values())
        yield fine(Check.CACHE, f"{hits:,.0f} of {counted(round(asked), 'explanation')} were kept ones")


def _samples(families: Families, name: str, sample: str = "") -> list[tuple[Mapping[str, str], float]]:
    family = families.get(name)
    rows = family.samples if family is not None else []
    return [(row.labels, row.value) for row in rows if row.name == (sample or name)]
