"""The monitor inside a gateway that has no Redis: the same detectors, fed from memory, and gone with the process."""

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, generate_latest

from attendant.statistics.detector import RUN_LENGTH
from attendant.statistics.samples import Samples
from services.monitor.documents import drift_document
from services.monitor.metrics import DriftMetrics
from services.monitor.references import Name, References
from services.monitor.watch import Snapshot, Watch

log = structlog.get_logger()

WAITING = 4096  # calls of `put` that wait for the thread; beyond it they are dropped
_SHOW_SECONDS = 1.0  # how often what was counted is shown


@dataclass(frozen=True)
class _Sample:
    name: Name
    digest: str
    samples: Samples


class LocalMonitor:
    """Counts in a thread of its own; what it knows ends with it."""

    def __init__(self, references: References, run_length: float = RUN_LENGTH) -> None:
        self._references = references
        self._run_length = run_length
        self._waiting: queue.Queue[_Sample | None] = queue.Queue(WAITING)
        self._watches = {name: Watch(name, references, run_length) for name in references.names}
        self._snapshots = {name: watch.snapshot() for name, watch in self._watches.items()}
        self._registry = CollectorRegistry()
        self._registry.register(DriftMetrics(self._list))
        self._thread = threading.Thread(target=self._work, name="drift", daemon=True)
        self._thread.start()

    def put(self, model: str, version: str, digest: str, samples: Samples) -> bool:
        """Count them soon, in order; False where too many wait already, so that these are dropped. Never waits."""
        try:
            self._waiting.put_nowait(_Sample(Name(model, version), digest, samples))
        except queue.Full:
            return False
        return True

    def document(self) -> dict[str, Any]:
        """The JSON of /drift."""
        return drift_document(self._list())

    def page(self) -> bytes:
        """The metrics of drift for Prometheus: tens of milliseconds' work, which any thread may do."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Counts what waits, and ends the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _list(self) -> list[Snapshot]:
        return list(self._snapshots.values())

    def _work(self) -> None:
        changed: set[Name] = set()
        shown, is_open = 0.0, True
        while is_open:
            with contextlib.suppress(queue.Empty):
                found = self._waiting.get(timeout=_SHOW_SECONDS if changed else None)
                if found is None:
                    is_open = False
                else:
                    self._count(found)
                    changed.add(found.name)
            if changed and (time.monotonic() >= shown + _SHOW_SECONDS or not is_open):
                shown_now = {name: self._watches[name].snapshot() for name in changed}
                self._snapshots = self._snapshots | shown_now  # replaced: the other threads iterate over it
                shown, changed = time.monotonic(), set()

    def _count(self, sample: _Sample) -> None:
        if sample.name not in self._watches:
            self._watches[sample.name] = Watch(sample.name, self._references, self._run_length)
        try:
            self._watches[sample.name].add([(sample.digest, sample.samples)])
        except Exception:  # the thread has to outlive whatever this is
            log.exception("a sample could not be counted", **vars(sample.name))
