"""The Prometheus operator's resources: the fields that the manifests use, and no others, as their definitions say.

No schema of them comes with Kubernetes. Whoever uses another field adds it here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from k8s.checks.documents import Json

Duration = Annotated[
    str, Field(pattern=r"^(0|(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$", min_length=1)
]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Query = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)


class Expression(Strict):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] | None = None


class Selector(Strict):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Expression] | None = None


class Namespaces(Strict):
    any: bool | None = None
    match_names: list[Name] | None = None


class Relabeling(Strict):
    source_labels: list[LabelName] | None = None
    separator: str | None = None
    target_label: LabelName | None = None
    regex: str | None = None
    replacement: str | None = None
    action: Literal["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep"] | None = None


class Endpoint(Strict):
    port: Name
    path: Annotated[str, Field(pattern="^/")] | None = None
    scheme: Literal["http", "https"] | None = None
    interval: Duration | None = None
    scrape_timeout: Duration | None = None
    honor_labels: bool | None = None
    relabelings: list[Relabeling] | None = None
    metric_relabelings: list[Relabeling] | None = None


class ServiceMonitorSpec(Strict):
    selector: Selector
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    job_label: str | None = None
    namespace_selector: Namespaces | None = None
    sample_limit: Annotated[int, Field(ge=0)] | None = None


class PodMonitorSpec(Strict):
    selector: Selector
    pod_metrics_endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    job_label: str | None = None
    namespace_selector: Namespaces | None = None
    sample_limit: Annotated[int, Field(ge=0)] | None = None


class Alert(Strict):
    model_config = ConfigDict(alias_generator=None)

    alert: Annotated[str, Field(min_length=1)]
    expr: Query
    for_: Annotated[Duration | None, Field(alias="for")] = None
    keep_firing_for: Duration | None = None
    labels: dict[LabelName, str] | None = None
    annotations: dict[LabelName, str] | None = None


class Record(Strict):
    record: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    expr: Query
    labels: dict[LabelName, str] | None = None


class Group(Strict):
    model_config = ConfigDict(alias_generator=None)

    name: Annotated[str, Field(min_length=1)]
    interval: Duration | None = None
    rules: Annotated[list[Alert | Record], Field(min_length=1)]


class PrometheusRuleSpec(Strict):
    groups: Annotated[list[Group], Field(min_length=1)]


class Metadata(Strict):
    name: Name
    namespace: Name | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


MONITORING = "monitoring.coreos.com/v1"
SPECS: dict[tuple[str, str], type[Strict]] = {
    (MONITORING, "ServiceMonitor"): ServiceMonitorSpec,
    (MONITORING, "PodMonitor"): PodMonitorSpec,
    (MONITORING, "PrometheusRule"): PrometheusRuleSpec,
}
OWN = frozenset({"apiVersion", "kind", "metadata", "spec"})


def is_custom(content: Json) -> bool:
    """Whether this module knows the kind."""
    return (content.get("apiVersion"), content.get("kind")) in SPECS


def validate_custom(content: Json) -> list[str]:
    """What is wrong with one of them, a line for each place."""
    problems = [f"{name}: there is no such field" for name in sorted(content.keys() - OWN)]
    problems += _validate(Metadata, content.get("metadata"), "metadata")
    return problems + _validate(SPECS[content["apiVersion"], content["kind"]], content.get("spec"), "spec")


def _validate(model: type[Strict], value: Any, place: str) -> list[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [
            f"{'.'.join((place, *map(str, problem['loc'])))}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
    return []
