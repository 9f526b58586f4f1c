"""The top of a picture: what was predicted, what weighed or was looked at, and how to read the rest."""

from dataclasses import dataclass

from attendant.pictures.style import (
    COLOURS,
    FAINT,
    INK,
    MARGIN,
    MUTED,
    RIGHT,
    WIDTH,
    WRONG,
    Page,
    heat,
)
from attendant.pictures.verdicts import look, risk, spread, truth
from attendant.pictures.views import FULL, NAMES, modality_weights, score, views
from attendant.results import ExplainResult
from attendant.types import MODALITIES, Focus, Modality

_MIDDLE = WIDTH / 2 + 0.25
_HALF = WIDTH / 2 - MARGIN - 0.25
_STEPS = 60
_CLASSES = 4  # at most as many are listed
_LOOK = 3  # the lines that what was looked at needs at least


@dataclass(frozen=True)
class Heading:
    """`foreground`: the index of a mosaic's segment that should be looked at, where it is known."""

    result: ExplainResult
    foreground: int | None = None

    @property
    def height(self) -> float:
        lines = min(len(self.result.prediction.scores), _CLASSES)
        return 1.25 + 0.24 * (lines if self.result.focus is None else max(lines, _LOOK))

    def draw(self, page: Page, top: float) -> None:
        prediction = self.result.prediction
        page.write(MARGIN, top, "THE MODEL SAYS", size=8, colour=MUTED)
        page.write(
            MARGIN, top + 0.34, f"{prediction.label}, {score(prediction):.0%}", size=21, bold=True, room=_HALF
        )
        ranked = sorted(prediction.scores, key=lambda pair: -pair[1])[:_CLASSES]
        for line, (label, share) in enumerate(ranked):
            y = top + 0.76 + 0.24 * line
            page.write(MARGIN, y, label, colour=MUTED, room=1.25)
            page.box(MARGIN + 1.35, y - 0.055, _HALF - 2.0, 0.11, FAINT)
            page.box(MARGIN + 1.35, y - 0.055, (_HALF - 2.0) * share, 0.11, INK)
            page.write(MARGIN + _HALF - 0.55, y, f"{share:.1%}", colour=MUTED)
        if self.result.focus is None:
            self._inputs(page, top)
        else:
            self._look(page, top, self.result.focus)
        self._scale(page, top + self.height - 0.3)

    def _inputs(self, page: Page, top: float) -> None:
        """One bar, split by how much weight each kind of input got."""
        page.write(_MIDDLE, top, "HOW MUCH WEIGHT EACH INPUT GOT", size=8, colour=MUTED)
        x = _MIDDLE
        weights = modality_weights(self.result.attention)
        for number, modality in enumerate(MODALITIES if weights else ()):
            weight = weights.get(modality)
            page.box(x, top + 0.24, _HALF * (weight or 0), 0.24, COLOURS[modality])
            x += _HALF * (weight or 0)
            left = _MIDDLE + number * _HALF / 3
            page.box(left, top + 0.7, 0.12, 0.12, FAINT if weight is None else COLOURS[modality])
            share = "not given" if weight is None else f"{weight:.0%}"
            page.write(
                left + 0.19, top + 0.76, f"{NAMES[modality]} {share}", colour=MUTED if weight is None else INK
            )

    def _look(self, page: Page, top: float, focus: Focus) -> None:
        """Which segment, whether rightly, and how likely it is that it was not."""
        (attention,) = views(self.result.attention, Modality.SEGMENT)
        page.write(_MIDDLE, top, "WHERE THE MODEL LOOKED", size=8, colour=MUTED)
        page.write(
            _MIDDLE,
            top + 0.32,
            look(focus, float(attention.weights[focus.index])),
            size=14,
            bold=True,
            room=_HALF,
        )
        said = truth(focus, self.foreground)
        if said:
            page.box(_MIDDLE, top + 0.58, 0.14, 0.14, RIGHT if focus.is_true else WRONG)
            page.write(_MIDDLE + 0.22, top + 0.65, said, size=10.5, bold=True, room=_HALF - 0.22)
        else:
            page.write(_MIDDLE, top + 0.65, "whether that is the foreground was not told", colour=MUTED)
        page.box(_MIDDLE, top + 0.87, _HALF, 0.11, FAINT)
        page.box(_MIDDLE, top + 0.87, _HALF * focus.risk, 0.11, WRONG)
        page.write(_MIDDLE, top + 1.1, f"risk: {risk(focus)}", room=_HALF)
        page.write(
            _MIDDLE, top + 1.32, spread(focus, attention.weights.size), size=8, colour=MUTED, room=_HALF
        )

    def _scale(self, page: Page, middle: float) -> None:
        """The colour scale of words and cells, or of segments."""
        coloured = "words and cells" if self.result.focus is None else "segments"
        page.write(MARGIN, middle, f"Colours of {coloured}:", colour=MUTED)
        page.write(MARGIN + 1.9, middle, "no weight", size=8, colour=MUTED)
        left, width = MARGIN + 2.55, 1.7
        for step in range(_STEPS):
            page.box(
                left + width * step / _STEPS,
                middle - 0.07,
                1.02 * width / _STEPS,
                0.14,
                heat()(step / (_STEPS - 1)),
            )
        page.write(
            left + width + 0.1,
            middle,
            f"the strongest of its line or panel, if at least {FULL} times an even share",
            size=8,
            colour=MUTED,
        )
