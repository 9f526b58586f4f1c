import pytest
import torch

from attendant.errors import AttendantError
from attendant.training.checkpoints import Checkpoint, fingerprint
from attendant.training.compute import choose_device, seed_epoch
from attendant.training.progress import Silent
from attendant.training.stages import run_stage


class Walk:
    """A stage whose state depends on every random number it ever drew."""

    def __init__(self, stop_at=99):
        self.position = torch.zeros(1)
        self.best = {}
        self.stop_at = stop_at

    def run_epoch(self, epoch, report):
        report(1, 1)
        self.position = self.position * 1.5 + float(seed_epoch(7, epoch).normal()) + torch.randn(1)
        return "fine"

    @property
    def finished(self):
        return bool(self.position.abs() > self.stop_at)

    def state(self):
        return {"position": self.position, "best": self.best}

    def restore(self, state):
        self.position = state["position"]


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    straight = Walk()
    run_stage("walk", straight, 6, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    run_stage("walk", Walk(), 2, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    resumed = Walk()
    run_stage("walk", resumed, 6, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    assert torch.equal(resumed.position, straight.position)


def test_a_finished_stage_does_not_go_on(tmp_path):
    stage = Walk(stop_at=0.0)
    run_stage("walk", stage, 50, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    once = Walk()
    run_stage("walk", once, 1, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    assert torch.equal(stage.position, once.position)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    Checkpoint(tmp_path / "a.pt", "x").save({"epoch": 1})
    with pytest.raises(AttendantError, match="--no-resume"):
        Checkpoint(tmp_path / "a.pt", "y").load()


def test_nothing_saved_and_discarded(tmp_path):
    checkpoint = Checkpoint(tmp_path / "deep" / "a.pt", "x")
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 3})
    assert checkpoint.load() == {"epoch": 3}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.pt"]
    checkpoint.discard()
    assert checkpoint.load() is None


def test_fingerprints_tell_parts_apart():
    assert fingerprint("ab", 1) == fingerprint("ab", 1)
    assert len({fingerprint("ab", 1), fingerprint("a", "b1"), fingerprint("ab", 2)}) == 3


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(AttendantError, match="no CUDA device"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu").type == "cpu"
