"""docs/reliability.md promises a test for every row: they exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_tests() -> set[str]:
    return {
        f"{path.name}::{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_a_test_that_exists():
    lines = (ROOT / "docs" / "reliability.md").read_text().splitlines()
    rows = [
        line for line in lines if line.startswith("|") and not line.startswith(("|---", "| what happens"))
    ]
    named = [re.findall(r"`(test_\w+\.py::test_\w+)`", row) for row in rows]
    assert len(rows) > 25
    assert all(len(names) == 1 for names in named)
    assert {name for names in named for name in names} <= find_tests()
