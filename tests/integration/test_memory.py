"""`make bench-memory` in short: what every call leaves behind shows in some thousand calls too."""

import asyncio

from rich.console import Console

from benchmarks import memory


def test_some_thousand_calls_leave_nothing_behind(archives):
    assert asyncio.run(memory.bench(Console(), calls=3_000, warm_up=3_000))
