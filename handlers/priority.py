"""Which worker has the cores where there is work for more."""

import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "ATTENDANT_SLOW_PRIORITY"
LOW, IDLE = "low", "idle"
NICENESS = 10


def choose_priority() -> str:
    """The slow lane's, where ATTENDANT_SLOW_PRIORITY says: `low`, or `idle`. ValueError for another value."""
    wanted = os.environ.get(VARIABLE, LOW)
    if wanted not in (LOW, IDLE):
        raise ValueError(f"{VARIABLE} is {wanted!r}; it is one of: {LOW}, {IDLE}")
    return wanted


def step_back(priority: str) -> None:
    """Leave the cores to others.

    `low`: 10 more niceness, about a tenth of another's weight. `idle`: SCHED_IDLE too, 3 to 1024, and one that wakes up
    never waits for it; where a sandbox refuses that policy, the niceness counts.

    Linux keeps priorities by thread, and a thread begins with its starter's: those that libraries and models have
    started are told one by one.
    """
    for thread in [int(path.name) for path in Path("/proc/self/task").glob("*")] or [0]:
        with suppress(ProcessLookupError):  # it has ended since
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
            if priority == IDLE:
                with suppress(OSError):
                    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
