"""What the methods beyond attention are, in a line each, before they are drawn element by element."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attendant.methods import Adversarial, Explanations, Method, RankedImportance
from attendant.pictures.style import MARGIN, METHOD_COLOURS, MUTED, WIDTH, Page
from attendant.pictures.views import METHOD_NAMES, NAMES
from attendant.types import Modality

_HEADING = 0.65
_LINE = 0.24
_NAMES = 1.75  # the column of names, as wide as that of the words


@dataclass(frozen=True)
class Glossary:
    """A section that names each method that says something of elements."""

    explanations: Explanations

    @property
    def height(self) -> float:
        return _HEADING + _LINE * len(list(self._lines()))

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, "Beyond attention", size=12, bold=True)
        page.write(
            MARGIN,
            top + 0.36,
            "The same elements as other methods see them. Agreement with attention, τ, is 1 where both have the same "
            "order and 0 where unrelated.",
            colour=MUTED,
        )
        for number, (method, meaning) in enumerate(self._lines()):
            middle = top + _HEADING + number * _LINE
            page.box(MARGIN, middle - 0.09, 0.07, 0.18, METHOD_COLOURS[method])
            page.write(MARGIN + 0.15, middle, METHOD_NAMES[method])
            page.write(
                MARGIN + _NAMES, middle, meaning, size=8.5, colour=MUTED, room=WIDTH - 2 * MARGIN - _NAMES
            )

    def _lines(self) -> Iterator[tuple[Method, str]]:
        computed = self.explanations
        if computed.gradient is not None:
            agreement = _agreement(computed.gradient.importances)
            yield Method.GRADIENT, f"what the answer would react to most; τ: {agreement}"
        if computed.leave_one_out is not None:
            agreement = _agreement(computed.leave_one_out.importances)
            yield Method.LEAVE_ONE_OUT, f"how far the answer moves without the element; τ: {agreement}"
        if computed.class_activation is not None:
            yield Method.CLASS_ACTIVATION, f"what speaks for “{computed.class_activation.label}”"
        if computed.adversarial is not None:
            yield Method.ADVERSARIAL, _difference(computed.adversarial)


def _agreement(importances: Sequence[RankedImportance]) -> str:
    return _listed(
        (one.target, "not defined" if one.kendall_tau is None else f"{one.kendall_tau:.2f}")
        for one in importances
    )


def _difference(adversarial: Adversarial) -> str:
    differences = _listed(
        (one.target, "none found" if one.max_jensen_shannon is None else f"{one.max_jensen_shannon:.2f}")
        for one in adversarial.attentions
    )
    return f"the most different that gives the same answer; JSD, at most {math.log(2):.2f}: {differences}"


def _listed(numbers: Iterator[tuple[Modality, str]]) -> str:
    return ", ".join(f"{NAMES[target]} {number}" for target, number in numbers)
