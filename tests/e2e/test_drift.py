"""Traffic through the whole service, a real Valkey, a real monitor and, where there is one, a real Prometheus.

Quiet traffic is held-back rows that the references have not seen; then something else comes.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_server import find_tool, running_prometheus

from attendant.analysis.held_back import replay_inputs
from attendant.analysis.planted import in_another_language
from attendant.channels import OPTIONS, SERVICE
from attendant.manifest import read_manifest
from attendant.statistics.detector import FAST
from attendant.types import Instance, Modality, Mosaic
from attendant.wire.requests import CacheMode, encode_explain_request
from services.stack.trial import ROOT, RunningStack, running_stack

pytestmark = pytest.mark.system

QUIET, DRIFTED = 5 * FAST, 4 * FAST  # explanations
CALLERS = 16
SECONDS = 60.0
MOSAICS = "sdc-error-mode-1"


@dataclass
class Watched:
    """A running service, with the monitor that watches it."""

    stack: RunningStack

    def explain(self, model: str, instances: Sequence[Instance]) -> None:
        """Every one computed, none from the cache."""
        asyncio.run(self._explain(model, instances))

    async def _explain(self, model: str, instances: Sequence[Instance]) -> None:
        async with AsyncExitStack() as opened:
            channel = await opened.enter_async_context(grpc.aio.insecure_channel(self.stack.address, OPTIONS))
            ask = channel.unary_unary(f"/{SERVICE}/Explain")
            left = iter(instances)

            async def caller() -> None:
                for instance in left:
                    await ask(
                        encode_explain_request(model, instance, cache_mode=CacheMode.BYPASS), timeout=30
                    )

            await asyncio.gather(*(caller() for _ in range(CALLERS)))

    def counted(self, model: str, modalities: str) -> dict:
        """What the monitor has of the version, once it has counted all that was sent."""
        document = httpx.get(f"{self.stack.monitor}/drift", trust_env=False, timeout=10).json()
        for version in document["versions"]:
            for one in version["sets"]:
                if (version["model"], version["version"], one["modalities"]) == (model, "1", modalities):
                    return one
        return {"samples": 0, "windows": []}

    def wait(self, model: str, modalities: str, samples: int) -> dict:
        end = time.monotonic() + SECONDS
        while (found := self.counted(model, modalities))["samples"] < samples:
            assert time.monotonic() < end, found
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def watched(archives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    everything = {"ATTENDANT_IMPACT_SHARE": "0", "ATTENDANT_WATCH_RATE": "100000"}
    with running_stack("embedded", archives, folder, **everything) as stack:
        yield Watched(stack)


@pytest.fixture(scope="module")
def prometheus(watched, tmp_path_factory):
    """None where there is none: then only the monitor is asked."""
    targets = {
        "attendant-gateway": watched.stack.http.removeprefix("http://"),
        "attendant-monitor": watched.stack.monitor.removeprefix("http://"),
    }
    if find_tool("prometheus") is None:
        yield None
    else:
        with running_prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
            yield server


def alarms(found: dict) -> list[int]:
    return [window["alarms"] for window in found["windows"]]


def drifting(prometheus, model: str) -> list[dict]:
    """The labels of the alerts that say so."""
    prometheus.look()
    named = [alert["labels"] for alert in prometheus.alerts()]
    return [
        labels for labels in named if labels["alertname"] == "AttendantDrift" and labels["model"] == model
    ]


def check(watched, prometheus, model, modalities, quiet, drifted, expected: set[str]) -> None:
    """No alarm while all is as usual; then one, which names what drifted."""
    watched.explain(model, quiet)
    found = watched.wait(model, modalities, QUIET)
    assert found["samples"] == QUIET
    assert found["windows"][0]["compared"] == QUIET // FAST
    assert alarms(found) == [0, 0]
    if prometheus is not None:
        assert drifting(prometheus, model) == []
    watched.explain(model, drifted)
    found = watched.wait(model, modalities, QUIET + DRIFTED)
    fast = found["windows"][0]
    assert fast["alarms"] >= 1
    strongest = fast["last_alarm"]["streams"][0]["stream"]
    assert strongest in expected, fast["last_alarm"]
    if prometheus is not None:
        prometheus.wait(lambda: drifting(prometheus, model))
        for labels in drifting(prometheus, model):
            assert (labels["version"], labels["modalities"], labels["window"]) == ("1", modalities, "fast")
            parts = (labels["statistic"], labels.get("target"), labels.get("source"))
            assert "/".join(part for part in parts if part) in expected


def test_mosaics_are_quiet_until_their_points_lie_elsewhere(watched, prometheus):
    def no_data() -> Path:
        pytest.fail("points are drawn, not read")

    manifest = read_manifest(ROOT / "model_store" / MOSAICS)
    (replay,) = replay_inputs(manifest, no_data).values()
    assert len(replay) >= QUIET + DRIFTED

    def moved(mosaic: Mosaic) -> Mosaic:
        return replace(mosaic, segments=tuple(tuple(2 * x for x in segment) for segment in mosaic.segments))

    streams = {"entropy_ratio/segment", "focus_risk", "probability"}
    drifted = [moved(mosaic) for mosaic in replay[QUIET : QUIET + DRIFTED]]
    check(watched, prometheus, MOSAICS, "segment", replay[:QUIET], drifted, streams)


def test_tweets_are_quiet_until_their_language_changes(watched, prometheus, shared_data):
    replay = replay_inputs(read_manifest(ROOT / "model_store" / "sarcasm"), lambda: shared_data)
    texts = list(replay[Modality.TEXT,])
    random.Random(0).shuffle(texts)  # the file has them by label
    assert len(texts) >= QUIET
    drifted = list(in_another_language(texts[:DRIFTED], seed=1))
    streams = {"entropy_ratio/text/mean", "probability", "element_count/text"}
    check(watched, prometheus, "sarcasm", "text", texts[:QUIET], drifted, streams)
