"""Draws chat.png, a picture like a screenshot of a chat: `.venv/bin/python docs/pictures/chat.py`."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

LINES = (
    ("left", "the printer is on fire again"),
    ("right", "wow, who could have seen that coming"),
    ("left", "IT says to restart it"),
    ("right", "great plan, truly"),
)


def main() -> None:
    figure = Figure(figsize=(4, 5), dpi=120, facecolor="#eceff4")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 4), ylim=(5, 0))
    axes.axis("off")
    axes.add_patch(FancyBboxPatch((0, 0), 4, 0.5, boxstyle="square,pad=0", color="#2e5c8a"))
    axes.text(0.2, 0.32, "Office  ·  online", color="white", size=12)
    for number, (side, line) in enumerate(LINES):
        x, colour = (0.2, "white") if side == "left" else (0.9, "#cfe8cf")
        y = 0.9 + number
        axes.add_patch(FancyBboxPatch((x, y), 2.9, 0.5, boxstyle="round,pad=0.05", color=colour))
        axes.text(x + 0.1, y + 0.33, line, size=9)
    figure.savefig(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
