"""What the dashboards' queries have in common.

M stands for the chosen models, V for models and versions, T for targets too, S for the windows of drift.
"""

M = 'model=~"$model"'
V = f'{M}, version=~"$version"'
T = f'{V}, target=~"$target"'
MEAN = f'{T}, source=~"mean|"'  # over the sources; the focus of a mosaic has none
S = f'{V}, modalities=~"$modalities", window=~"$window"'
FAULTS = 'code=~"INTERNAL|UNAVAILABLE|DEADLINE_EXCEEDED"'  # as in rules/service.yml
PREDICT, EXPLAIN = f'{M}, method="Predict"', f'{M}, method=~"Explain.*"'
GATEWAY, WATCHER = 'job="attendant-gateway"', 'job="attendant-monitor"'
VERSION, WINDOW = "{{model}} {{version}}", "{{model}} {{version}} {{modalities}} {{window}}"
STREAM = "{{modalities}} {{window}} {{statistic}}/{{target}}/{{source}}"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Per second."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def total(metric: str, by: str, labels: str) -> str:
    """In the time that is shown."""
    return f"sum by ({by}) (increase({metric}{{{labels}}}[$__range]))"


def share(metric: str, by: str, part: str, labels: str) -> str:
    """Of the series with `labels`, those with `part`; 0 where there are none."""
    every = rate(metric, by, labels)
    return f"({rate(metric, by, f'{labels}, {part}')} or 0 * {every}) / {every}"


def largest(metric: str, labels: str, by: str) -> str:
    """Over instances: one monitor leads, others may show what they knew."""
    return f"max by ({by}) ({metric}{{{labels}}})"


def quantiles(metric: str, by: str, labels: str, *points: float) -> dict[str, str]:
    """Of a histogram; `by` is one label, several, or none."""
    names = " ".join(f"{{{{{label}}}}}" for label in by.split(", ") if label)
    buckets = rate(f"{metric}_bucket", f"le, {by}" if by else "le", labels)
    return {f"{names} {point:.0%}".strip(): f"histogram_quantile({point}, {buckets})" for point in points}
