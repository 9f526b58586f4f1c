import io

import pytest
from rich.console import Console

from attendant.training import progress
from attendant.training.progress import shown


@pytest.fixture
def log():
    return Console(file=io.StringIO(), width=120)


def test_a_log_gets_few_lines_and_the_last_one(log, monkeypatch):
    clock = iter(range(0, 10_000, 10))  # ten seconds a look
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with shown(log) as lines:
        report = lines.task("encoder")
        for done in range(1, 8):
            report(done, 7)
    written = log.file.getvalue().splitlines()
    assert [line.split(" ", 1)[1] for line in written] == [
        "encoder: 3 of 7",
        "encoder: 6 of 7",
        "encoder: 7 of 7",
    ]


def test_text_from_outside_is_no_markup(log):
    with shown(log) as lines:
        lines.say("[bold]not bold[/bold]")
    assert "[bold]not bold[/bold]" in log.file.getvalue()


def test_a_terminal_gets_bars_that_go_when_done():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    with shown(terminal) as bars:
        report = bars.task("teacher")
        report(1, 4)
        bars.say("half way")
        report(4, 4)
    drawn = terminal.file.getvalue()
    assert "half way" in drawn
    assert "teacher" in drawn
