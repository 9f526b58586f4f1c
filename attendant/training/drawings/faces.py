"""Typefaces that come with matplotlib, so that they are everywhere."""

from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
from PIL import ImageFont

SANS = "DejaVuSans"
BOLD = "DejaVuSans-Bold"
SERIF = "DejaVuSerif"
HEAVY = "DejaVuSerif-Bold"
MONO = "DejaVuSansMono"
ITALIC = "DejaVuSerif-Italic"
FORMAL = "STIXGeneral"
CONDENSED = "STIXGeneralBol"
SLANTED = "STIXGeneralItalic"
ALL = (SANS, BOLD, SERIF, HEAVY, MONO, ITALIC, FORMAL, CONDENSED, SLANTED)
TITLES = (BOLD, HEAVY, CONDENSED, SERIF)
PROSE = (SERIF, FORMAL, SANS)
SMALLEST = 6  # pixels

_SAMPLE = "the quick brown fox jumps over a lazy dog again"


@lru_cache(maxsize=1024)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """The face at `size` pixels."""
    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    return ImageFont.truetype(str(path), max(SMALLEST, size), layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=len(ALL))
def breadth(face: str) -> float:
    """A letter's width, as a share of the size: the mean over plain text, and a little more."""
    return font(face, 100).getlength(_SAMPLE) / len(_SAMPLE) / 100 * 1.04
