"""What a model must offer to have its answers explained. Nothing in this package knows a model's name.

C classes; L elements of a target, d wide; N sets of weights; B variants of the instance. The *tail* is everything
behind a target's mean attention: the weighted sum, what follows it, the class probabilities.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attendant.types import Check, Gradients, Modality, Typical, go_on

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Labels = NDArray[np.int64]

Tables = Mapping[Modality, Floats]
"""Rows that an instance's elements are taken from: V x d a target, of which the first L are its own."""
Elements = Mapping[Modality, Indices]
"""An instance made of other elements: each target's rows in the tables. A target that is left out is absent."""
Pull = Callable[[Mapping[Modality, Doubles]], Mapping[Modality, Floats]]
"""From the gradient of anything by probabilities, N x C a target, to its gradient by weights, N x L a target."""


class Explainable(Protocol):
    """One answered instance, encoded once.

    Probabilities are float64, rows sum to 1. `attend`, `fuse`, `attend_each` and `pull` run the tail alone; `answer`
    and `gradients` run everything behind the elements, but no image encoder. But for rounding, a row's result does not
    depend on the other rows.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def tracked(self) -> int:
        """The class whose probability the answer tells: the positive one of two, else the predicted one."""
        ...

    @property
    def targets(self) -> tuple[Modality, ...]:
        """Those present, in the contract's order."""
        ...

    @property
    def probabilities(self) -> Doubles:
        """C, from the tail, so that attention which is not changed changes nothing."""
        ...

    def decide(self, probabilities: Doubles) -> Labels:
        """N x C to N labels, at the model's threshold."""
        ...

    def attention(self, target: Modality) -> Floats:
        """The mean attention that the answer was computed with, L."""
        ...

    @property
    def fusion(self) -> Floats | None:
        """One weight for each of `targets`, or None where the model does not weigh them."""
        ...

    def attend(self, target: Modality, weights: Floats) -> Doubles:
        """Probabilities N x C with the target's attention replaced by each of `weights`, N x L."""
        ...

    def fuse(self, weights: Floats) -> Doubles:
        """Probabilities N x C with the fusion weights replaced by each of `weights`, N x targets."""
        ...

    def attend_each(self, weights: Mapping[Modality | None, Floats]) -> Mapping[Modality | None, Doubles]:
        """`attend` for several targets at once, each on its own, and under None `fuse`."""
        ...

    def pull(self, weights: Mapping[Modality, Floats]) -> tuple[Mapping[Modality, Doubles], Pull]:
        """`attend_each` of targets, and the way back from probabilities to weights."""
        ...

    def features(self, target: Modality) -> Floats:
        """The target's elements, L x d: token embeddings, region features, word embeddings."""
        ...

    def typical(self, target: Modality) -> Typical | None:
        """None where the model's version does not tell."""
        ...

    def grid(self, target: Modality) -> tuple[int, int] | None:
        """Rows and columns where the target's elements are the cells of a grid."""
        ...

    def answer(self, tables: Tables, variants: Sequence[Elements], *, check: Check = go_on) -> Doubles:
        """Probabilities B x C of the instance made of other elements.

        `check` is called between the steps of what takes long; what it raises ends it.
        """
        ...

    def gradients(
        self,
        tables: Tables,
        variants: Sequence[Elements],
        label: int,
        targets: Sequence[Modality],
        *,
        through_attention: bool,
        check: Check = go_on,
    ) -> Gradients:
        """Of ln(p / (1 - p)), p the probability of class `label`, with respect to the elements of `targets`.

        Of two classes that is the logit. Without `through_attention`, every attention weight counts as a constant.
        `check` is called as in `answer`.
        """
        ...


class Late(Exception):  # noqa: N818 - it is no error
    """The deadline came while something was being computed that is of no use in part."""


def _waits() -> bool:
    return False


class Deadline:
    """When work has to end: after `seconds` on the monotonic clock, never without them; or once its caller is `gone`.

    Explainers look at it at least every 50 ms or so, on a core of their own.
    """

    def __init__(
        self,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        gone: Callable[[], bool] = _waits,
    ) -> None:
        self._clock = clock
        self._at = None if seconds is None else clock() + seconds
        self._gone = gone

    @property
    def passed(self) -> bool:
        return self._gone() or (self._at is not None and self._clock() >= self._at)

    def check(self) -> None:
        """Raises Late once it has passed."""
        if self.passed:
            raise Late


ENDLESS = Deadline()
