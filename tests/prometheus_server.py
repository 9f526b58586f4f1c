"""A real Prometheus for tests: on the shipped rules, at a port of its own, looking every quarter of a second."""

import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from exported_metrics import RULES

from services.stack.trial import free_ports

SECONDS = 30.0  # for whatever is waited for

_VALUES = {"$__rate_interval": "1m", "$__range": "1h"}  # as Grafana might put in


def find_tool(name: str) -> str | None:
    """The path of prometheus or promtool, both of which Debian's package prometheus has; None without it."""
    return shutil.which(name)


def in_full(query: str) -> str:
    """A dashboard's query as Grafana would send it, with everything chosen."""
    for variable, value in _VALUES.items():
        query = query.replace(variable, value)
    return re.sub(r'=~?"\$\w+"', '=~".*"', query)


@dataclass(frozen=True)
class Sample:
    labels: Mapping[str, str]
    value: float


class Prometheus:
    """What a running one says."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = url
        self._process = process
        self._log = log
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def is_ready(self) -> bool:
        return self._client.get("/-/ready").is_success

    def query(self, expr: str) -> list[Sample]:
        """The instant vector; NaN is left out, which is what a quotient is of which nothing came."""
        result = self._get("query", query=expr)["result"]
        found = [Sample(one["metric"], float(one["value"][1])) for one in result]
        return [sample for sample in found if not math.isnan(sample.value)]

    def alerts(self, *states: str) -> list[dict[str, Any]]:
        """Those in the states, of which there are pending and firing; firing, if none is named."""
        return [alert for alert in self._get("alerts")["alerts"] if alert["state"] in (states or ("firing",))]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> dict[str, str]:
        """The health of each job: up, down, or unknown before the first look."""
        return {target["labels"]["job"]: target["health"] for target in self._get("targets")["activeTargets"]}

    def wait(self, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """What `condition` gives as soon as that is true. Raises TimeoutError with the end of the log."""
        end = time.monotonic() + seconds
        while True:
            try:
                if found := condition():
                    return found
            except httpx.TransportError:
                pass  # not yet
            if self._process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(self._log.read_text()[-2000:])
            time.sleep(0.05)

    def look(self) -> None:
        """Wait until every target was looked at, and every rule evaluated, after this call."""
        now = time.time()
        self.wait(lambda: all(stamp > now for stamp in self._stamps()))

    def close(self) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait()

    def _stamps(self) -> list[float]:
        looked = [sample.value for sample in self.query("timestamp(up)")]
        rules = self._get("rules")["groups"]
        return [*looked, *(_seconds(group["lastEvaluation"]) for group in rules)]

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(f"/api/v1/{what}", params=parameters).json()
        assert answer["status"] == "success", answer
        data: dict[str, Any] = answer["data"]
        return data


@contextmanager
def running_prometheus(
    folder: Path, targets: Mapping[str, str | Sequence[str]], rules: Path = RULES
) -> Iterator[Prometheus]:
    """Looks at `targets`, HOST:PORT by job, one or several, and has done so once when this yields.

    Alerts wait a second instead of minutes. Raises TimeoutError where a target does not answer.
    """
    prometheus = find_tool("prometheus")
    assert prometheus is not None
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    configuration, log = folder / "prometheus.yml", folder / "prometheus.log"
    configuration.write_text(yaml.safe_dump(_configuration(folder, targets, rules)))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"),
                *(f"--web.listen-address={address}", "--log.level=warn"),
            ],
            stdout=output,
            stderr=output,
        )
    server = Prometheus(f"http://{address}", process, log)
    try:
        server.wait(server.is_ready)
        server.wait(lambda: server.targets() and set(server.targets().values()) == {"up"})
        server.look()
        yield server
    finally:
        server.close()


def _configuration(folder: Path, targets: Mapping[str, str | Sequence[str]], rules: Path) -> dict[str, Any]:
    for path in sorted(rules.glob("*.yml")):
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "1s"
        (folder / f"rules-{path.name}").write_text(yaml.safe_dump(content))
    return {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
        "rule_files": [str(folder / "rules-*.yml")],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": [at] if isinstance(at, str) else [*at]}],
            }
            for job, at in targets.items()
        ],
    }


def _seconds(timestamp: str) -> float:
    """RFC 3339, since the epoch; of the year 1 before the first time."""
    return datetime.fromisoformat(timestamp).timestamp()
