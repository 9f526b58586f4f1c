"""The colours that a picture shows, by name: words that need no teacher."""

import numpy as np
from numpy.typing import NDArray

SHARE = 0.22  # of the pixels: that much of a colour is named
GRID = 48  # pixels looked at along the shorter side, or a few more
DARK = 70  # mean value
BRIGHT = 110  # mean difference between a pixel's strongest and weakest channel

# what a named colour looks like
SHADES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("white", (248, 248, 248)),
    ("black", (18, 18, 20)),
    ("gray", (128, 128, 132)),
    ("red", (205, 40, 45)),
    ("blue", (40, 100, 205)),
    ("blue", (25, 45, 100)),
    ("blue", (130, 185, 240)),
    ("green", (45, 150, 70)),
    ("green", (25, 75, 45)),
    ("green", (190, 230, 185)),
    ("yellow", (250, 210, 60)),
    ("orange", (240, 130, 40)),
    ("pink", (240, 140, 185)),
    ("purple", (120, 65, 170)),
    ("brown", (115, 75, 45)),
    ("tan", (215, 190, 150)),
)
_NAMES = tuple(dict.fromkeys(name for name, _ in SHADES))
_STEP = 16  # colours this near are the same


def _nearest() -> NDArray[np.intp]:
    """The index of the name for every coarse colour, 16 x 16 x 16."""
    middles = np.stack(np.meshgrid(*[np.arange(0, 256, _STEP) + _STEP // 2] * 3, indexing="ij"), -1)
    distances = np.square(middles[..., None, :] - np.array([point for _, point in SHADES])).sum(-1)
    nearest: NDArray[np.intp] = np.array([_NAMES.index(name) for name, _ in SHADES])[distances.argmin(-1)]
    return nearest


_TABLE = _nearest()


def name_shades(pixels: NDArray[np.uint8], share: float = SHARE) -> tuple[str, ...]:
    """The colours that at least `share` of H x W x 3 shows, most of it first; `dark` or `bright` where the whole is."""
    step = max(1, min(pixels.shape[:2]) // GRID)
    sample = pixels[::step, ::step].reshape(-1, 3)
    nearest = _TABLE[tuple((sample // _STEP).T)]
    shares = np.bincount(nearest, minlength=len(_NAMES)) / len(nearest)
    named = [_NAMES[place] for place in np.argsort(-shares, kind="stable") if shares[place] >= share]
    if sample.mean() < DARK:
        named.append("dark")
    elif np.ptp(sample, axis=1).mean() > BRIGHT:
        named.append("bright")
    return tuple(named)
