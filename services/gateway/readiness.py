"""Which models answer now, and where they run: asked of the backend again and again, told to whoever wants to know."""

import asyncio
from collections.abc import Mapping

import structlog

from attendant.errors import AttendantError
from attendant.lanes import Lane, archive_name
from attendant.manifest import ModelManifest
from attendant.types import ModelDescription, Runtime
from attendant.wire.envelope import Operation, Row
from services.gateway.backends.base import Backend
from services.gateway.canary import Split
from services.gateway.metrics import Metrics
from services.health import Health

log = structlog.get_logger()

DESCRIBE_SECONDS = 5.0


class Readiness:
    """A model is ready once both its lanes have a worker and the fast one has said where the model runs.

    Where versions share its questions, each of them has to have said so: a gateway that is started with a version
    that no worker has is never ready, and whoever rolls gateways out stops there. One worker is asked, in turn: where
    some have the version, it becomes ready.
    After that the fast lane alone decides: a slow worker that died must not take the predictions along.
    """

    def __init__(
        self,
        models: Mapping[str, ModelManifest],
        backend: Backend,
        health: Health,
        metrics: Metrics,
        splits: Mapping[str, Split] | None = None,
    ) -> None:
        self._models = models
        self._splits = splits or {}
        self._backend = backend
        self._health = health
        self._metrics = metrics
        self._runtimes: dict[str, Runtime] = {}  # of the models that are ready
        self._once_ready: set[str] = set()

    def ready(self) -> bool:
        """Whether every model answers and the gateway still takes requests."""
        return not self._health.draining and self._runtimes.keys() == self._models.keys()

    def states(self) -> dict[str, bool]:
        """Every model's name, and whether it answers."""
        return {name: name in self._runtimes for name in self._models}

    def descriptions(self) -> tuple[ModelDescription, ...]:
        """What ListModels says."""
        return tuple(self._description(self._models[name]) for name in sorted(self._models))

    async def run(self, interval: float) -> None:
        """Ask every `interval` seconds until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:
                log.exception("the backend could not be asked whether it is ready")
            await asyncio.sleep(interval)

    async def poll(self) -> None:
        """Ask once."""
        lanes = sorted({(model.archive, lane) for model in self._models.values() for lane in Lane})
        answers = await asyncio.gather(*(self._backend.ready(archive_name(*lane)) for lane in lanes))
        up = dict(zip(lanes, answers, strict=True))
        await asyncio.gather(
            *(
                self._update(model, fast=up[model.archive, Lane.FAST], slow=up[model.archive, Lane.SLOW])
                for model in self._models.values()
            )
        )
        self._health.set("", self.ready())

    async def _update(self, model: ModelManifest, *, fast: bool, slow: bool) -> None:
        before = model.name in self._runtimes
        if not fast:
            self._runtimes.pop(model.name, None)
        elif not before and (slow or model.name in self._once_ready):
            await self._describe(model)
        ready = model.name in self._runtimes
        if ready:
            self._once_ready.add(model.name)
        if ready != before:
            log.info("model is ready" if ready else "model does not answer", model=model.name)
        self._health.set(model.name, ready)
        self._metrics.model_ready.labels(model.name, Lane.FAST).set(fast)
        self._metrics.model_ready.labels(model.name, Lane.SLOW).set(slow)

    async def _describe(self, model: ModelManifest) -> None:
        split = self._splits.get(model.name)
        if split is not None and model.name not in self._once_ready:
            for version in split.versions:
                if await self._ask(model, version) is None:
                    return
        runtime = await self._ask(model, model.default_version)
        if runtime is not None:
            self._runtimes[model.name] = runtime

    async def _ask(self, model: ModelManifest, version: str) -> Runtime | None:
        """Where the version runs; None where the backend does not say: it is asked again at the next poll."""
        row = Row(Operation.DESCRIBE, model=model.name, version=version)
        try:
            reply = await self._backend.call(archive_name(model.archive, Lane.FAST), row, DESCRIBE_SECONDS)
        except AttendantError:
            return None
        if reply.runtime is None and reply.failure is not None:
            log.error("model cannot be described", model=model.name, error=str(reply.failure))
        return reply.runtime

    def _description(self, model: ModelManifest) -> ModelDescription:
        return ModelDescription(
            name=model.name,
            classes=model.classes,
            modalities=model.modalities,
            versions=tuple(model.versions),
            default_version=model.default_version,
            methods=model.methods,
            digests={name: version.digest for name, version in model.versions.items()},
            descriptions={name: version.description for name, version in model.versions.items()},
            ready=model.name in self._runtimes,
            runtime=self._runtimes.get(model.name),
            mosaic=model.mosaic,
        )
