"""A stage of a training: epochs with a checkpoint after each, so that it can be interrupted and go on."""

import time
from typing import Any, Protocol

from attendant.training.checkpoints import Checkpoint
from attendant.training.progress import Progress, Report


class Stage(Protocol):
    """What is trained. `state` holds all that an epoch changes; what was given at construction is not in it."""

    def run_epoch(self, epoch: int, report: Report) -> str:
        """Trains one epoch and says how it went, in a line."""

    @property
    def finished(self) -> bool:
        """Whether more epochs would be a waste (early stopping)."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def run_stage(name: str, stage: Stage, epochs: int, checkpoint: Checkpoint, progress: Progress) -> float:
    """Runs what is left of `epochs`, from the checkpoint where there is one; the seconds that all of them took."""
    saved = checkpoint.load()
    done, seconds = 0, 0.0
    if saved is not None:
        done, seconds = int(saved["epoch"]), float(saved["seconds"])
        stage.restore(saved["stage"])
        progress.say(f"{name}: {done} of {epochs} epochs were done before")
    for epoch in range(done, epochs):
        if stage.finished:
            progress.say(f"{name}: stopped after {epoch} epochs")
            break
        started = time.perf_counter()
        line = stage.run_epoch(epoch, progress.task(f"{name}, epoch {epoch + 1} of {epochs}"))
        seconds += time.perf_counter() - started
        checkpoint.save({"epoch": epoch + 1, "seconds": seconds, "stage": stage.state()})
        progress.say(f"{name}, epoch {epoch + 1} of {epochs}: {line}")
    return seconds
