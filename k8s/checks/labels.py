"""Label selectors, as Kubernetes evaluates them."""

from collections.abc import Mapping

from k8s.checks.documents import Json

Labels = Mapping[str, str]


def selects(selector: Json | None, labels: Labels) -> bool:
    """Whether a LabelSelector selects something with these labels: none selects nothing, an empty one everything.

    Raises ValueError for an operator that there is not.
    """
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_meets(expression, labels) for expression in selector.get("matchExpressions") or [])


def _meets(expression: Json, labels: Labels) -> bool:
    key, operator = expression["key"], expression["operator"]
    values = expression.get("values") or []
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"{operator!r} is no operator of a label selector")
