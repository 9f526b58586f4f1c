"""`python -m k8s.monitoring.dashboards` writes dashboards/*.json anew, from what boards/ says."""

from pathlib import Path

from k8s.monitoring.boards.attention import ATTENTION
from k8s.monitoring.boards.drift import DRIFT
from k8s.monitoring.boards.monitor import MONITOR
from k8s.monitoring.boards.service import SERVICE
from k8s.monitoring.grafana import render

FOLDER = Path(__file__).with_name("dashboards")
DASHBOARDS = (SERVICE, ATTENTION, DRIFT, MONITOR)

if __name__ == "__main__":
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.file}.json").write_text(render(dashboard), encoding="utf-8")
