"""Odd requests, texts and images, and what may come of them; the tests take some of each, `make fuzz` many."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "runs" / "fuzz"  # what was found
