"""How well image attention lies on given boxes: cosines at 224 x 224 pixels.

L = rows x columns regions, row-major. Attention is spread over the pixels without smoothing: a pixel has the weight of
the region that its centre lies in. No picture is made: a cosine needs only how many pixels each region shares with the
boxes.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.errors import invalid
from attendant.explainers.base import Doubles, Explainable
from attendant.methods import Box, BoxAlignment, BoxAlignmentOptions
from attendant.types import Modality

SIDE = 224  # pixels
REGIONS = 20  # the highest, and as many random ones
DRAWS = 100

Mask = NDArray[np.bool_]


def box_alignment(subject: Explainable, options: BoxAlignmentOptions) -> BoxAlignment:
    """Cosines, in [0, 1], of the boxes' union with the mean attention over the image.

    All of the attention; its REGIONS highest weights alone, ties in order; REGIONS random weights alone, mean of DRAWS.
    Of fewer regions all count. INVALID_INPUT where no target's elements are the cells of a grid.
    """
    target, grid = choose_grid(subject)
    weights = subject.attention(target)
    rng = np.random.default_rng(options.seed)
    places = rng.permuted(np.tile(np.arange(len(weights)), (DRAWS, 1)), axis=1)
    top = np.argsort(np.argsort(-weights, kind="stable"))
    mask = rasterise(options.boxes)
    return BoxAlignment(
        full=float(cosine(weights, grid, mask)),
        top20=float(cosine(weights * (top < REGIONS), grid, mask)),
        random20=float(cosine(weights * (places < REGIONS), grid, mask).mean()),
        seed=options.seed,
    )


def choose_grid(subject: Explainable) -> tuple[Modality, tuple[int, int]]:
    """The target that has a grid, and the grid. INVALID_INPUT where none has."""
    for target in subject.targets:
        grid = subject.grid(target)
        if grid is not None:
            return target, grid
    raise invalid(
        "options.box_alignment", f"boxes need an image; the instance has: {', '.join(subject.targets)}"
    )


def rasterise(boxes: Sequence[Box]) -> Mask:
    """The union of boxes, SIDE x SIDE: the pixels whose centres lie in one.

    A box's left and upper edges belong to it, the others do not; what lies outside the image is cut off. A box without
    a pixel's centre covers the pixel that its upper left corner lies in.
    """
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    for box in boxes:
        mask[_span(box.y, box.height), _span(box.x, box.width)] = True
    return mask


def cosine(weights: ArrayLike, grid: tuple[int, int], mask: Mask) -> Doubles:
    """Between weights ... x L over a grid's regions, not negative, and a mask of H x W pixels: ... numbers in [0, 1].

    0 where the weights or the mask are.
    """
    u = np.asarray(weights, dtype=np.float64)
    rows, columns = (_membership(cells, pixels) for cells, pixels in zip(grid, mask.shape, strict=True))
    shared = (rows @ mask @ columns.T).ravel()  # pixels that each region shares with the mask, L
    sizes = np.outer(rows.sum(axis=1), columns.sum(axis=1)).ravel()
    norms = np.sqrt(np.square(u) @ sizes * mask.sum())
    cosines = np.divide(u @ shared, norms, out=np.zeros_like(norms), where=norms > 0)
    clipped: Doubles = np.minimum(cosines, 1.0)  # rounding may leave the range
    return clipped


def _span(start: float, length: float) -> slice:
    """The pixels of a side whose centres, at i + 1/2, lie in the box; at least one."""
    first, end = (min(ceil(edge * SIDE - 0.5), SIDE) for edge in (start, start + length))
    if first >= end:
        first = min(int(start * SIDE), SIDE - 1)
        end = first + 1
    return slice(first, end)


def _membership(cells: int, pixels: int) -> Doubles:
    """1 where a pixel's centre lies in a cell, cells x pixels."""
    cell = (2 * np.arange(pixels) + 1) * cells // (2 * pixels)
    member: Doubles = (np.arange(cells)[:, None] == cell).astype(np.float64)
    return member
