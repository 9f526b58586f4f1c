"""Where a model looked in a mosaic, in words: for the terminal and for pictures."""

import math

from attendant.types import Focus

_RISKS = (
    (0.5, "probably wrong"),
    (0.2, "quite possibly wrong"),
    (0.05, "probably right"),
    (0.0, "almost certainly right"),
)


def look(focus: Focus, weight: float) -> str:
    """`weight` is the segment's, in [0, 1]."""
    return f"segment {focus.index}, which got {weight:.0%} of the weight"


def truth(focus: Focus, foreground: int | None) -> str:
    """Whether that was right, where it is known; else nothing."""
    if focus.is_true is None:
        return ""
    if focus.is_true:
        return "right: that is the foreground"
    return "wrong" if foreground is None else f"wrong: the foreground is segment {foreground}"


def risk(focus: Focus) -> str:
    """How likely it is that the model looked at the wrong segment, as told from what it answers."""
    words = next(words for least, words in _RISKS if focus.risk >= least)
    return f"{words} (wrong in {focus.risk:.1%} of such answers)"


def spread(focus: Focus, segments: int) -> str:
    """How far the weights are from being on one of `segments`: NNZ, Dist and the entropy."""
    most = math.log(segments)
    return (
        f"NNZ {focus.nnz} of {segments}, Dist {focus.dist:.2f}, "
        f"entropy {focus.entropy:.2f} of at most {most:.2f} nats"
    )
