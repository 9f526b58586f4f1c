"""`python -m k8s.monitoring.prometheus_rule` writes the PrometheusRules of k8s/components/prometheus, from rules/.

kustomize cannot read a file into a field of a resource, and the rules are to be written once.
"""

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).with_name("rules")
TARGET = Path(__file__).parents[1] / "components" / "prometheus" / "rules.yaml"
_HEAD = "# Written by `python -m k8s.monitoring.prometheus_rule` from k8s/monitoring/rules: change those.\n"


class _Dumper(yaml.SafeDumper):
    """Text of several lines as such, and nothing by reference: who reads it should see what holds."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render() -> str:
    """One PrometheusRule for each file, as YAML."""
    documents = [
        _resource(path.stem, path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yml"))
    ]
    return _HEAD + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=1000)


def _resource(name: str, rules: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": "attendant"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"attendant-{name}", "labels": labels},
        "spec": yaml.safe_load(rules),
    }


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
