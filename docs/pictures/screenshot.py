"""Draws screenshot.jpg, a picture like a screenshot of a post: `.venv/bin/python docs/pictures/screenshot.py`."""

from pathlib import Path

import numpy as np

from attendant.training.drawings import faces
from attendant.training.drawings.canvas import Pen, canvas
from attendant.training.drawings.colours import BLUE, DARK, GRAY, GREEN, PALE, WHITE

SAID = "Three hours of delay and no heating. Best start to a Monday, thank you so much!"
ANSWERS = (("Kim", "At least the seats are wet."), ("Rail Desk", "We are glad that you enjoyed it."))


def main() -> None:
    page = canvas(320, 512, np.random.default_rng(0))
    page.box(0, 0, 320, 46, BLUE)
    page.text(16, 14, "Post", Pen(17, WHITE, faces.BOLD))
    page.text(306, 6, "8:41   3 %", Pen(11, WHITE), "ra")
    page.disc(36, 82, 20, GREEN)
    page.text(66, 66, "Sam Traveller", Pen(14, DARK, faces.BOLD))
    page.text(66, 84, "@sam_waits · 2h", Pen(12, GRAY))
    below = page.paragraph(16, 116, 290, SAID, Pen(17, DARK))
    page.text(16, below + 12, "12 answers   48 shares   307 likes", Pen(12, GRAY))
    top = below + 44
    for name, answer in ANSWERS:
        page.box(0, top, 320, top + 1, GRAY)
        page.box(16, top + 14, 304, top + 78, PALE, 10)
        page.text(28, top + 22, name, Pen(12, DARK, faces.BOLD))
        page.paragraph(28, top + 42, 270, answer, Pen(13, DARK))
        top += 92
    page.image.save(Path(__file__).with_suffix(".jpg"), quality=88)


if __name__ == "__main__":
    main()
