"""How focus and prediction come about while a model learns (the paper's Figure 5)."""

from dataclasses import dataclass

from attendant.statistics.focus import Outcomes


@dataclass(frozen=True)
class Shares:
    """Of mosaics, by whether focus and prediction are true; they sum to 1."""

    ftpt: float  # focus true, prediction true
    ffpt: float  # focus false, prediction true: right for a wrong reason
    ftpf: float
    ffpf: float

    @property
    def accuracy(self) -> float:
        return self.ftpt + self.ffpt

    @property
    def focus_true(self) -> float:
        return self.ftpt + self.ftpf


@dataclass(frozen=True)
class Look:
    """What a model was after so many epochs."""

    epoch: int
    loss: float
    training: Shares
    held_out: Shares


@dataclass(frozen=True)
class Course:
    """One training: its looks, in order of time, at least one."""

    name: str
    looks: tuple[Look, ...]

    @property
    def last(self) -> Look:
        return self.looks[-1]


def share_out(outcomes: Outcomes) -> Shares:
    focus, prediction = outcomes.focus_true, outcomes.prediction_true
    parts = (focus & prediction, ~focus & prediction, focus & ~prediction, ~focus & ~prediction)
    return Shares(*(float(part.mean()) for part in parts))
