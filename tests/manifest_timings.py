"""How long Kubernetes gives a component of k8s/base, and what the component is told about time."""

from dataclasses import dataclass
from pathlib import Path

import yaml

BASE = Path(__file__).resolve().parents[1] / "k8s" / "base"


@dataclass(frozen=True)
class Timings:
    """Seconds. `settings`: the component's own, by variable."""

    look: float  # how often the startup probe asks
    pre_stop: float
    grace: float  # from the Pod's deletion to SIGKILL, preStop included
    settings: dict[str, str]


def read_timings(component: str) -> Timings:
    deployment = yaml.safe_load((BASE / component / "deployment.yaml").read_text())["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = deployment["template"]["spec"]
    (container,) = (each for each in pod["containers"] if each["name"] == component)
    return Timings(
        look=float(container["startupProbe"]["periodSeconds"]),
        pre_stop=float(container["lifecycle"]["preStop"]["sleep"]["seconds"]),
        grace=float(pod["terminationGracePeriodSeconds"]),
        settings={name: value for name, value in _settings(component).items() if name.endswith("_SECONDS")},
    )


def _settings(component: str) -> dict[str, str]:
    """What is in the component's ConfigMaps."""
    folder = BASE / component
    found = {}
    for generator in yaml.safe_load((folder / "kustomization.yaml").read_text())["configMapGenerator"]:
        lines = [
            line for name in generator.get("envs", ()) for line in (folder / name).read_text().splitlines()
        ]
        lines += generator.get("literals", ())
        found |= dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return found
