"""Which worker has the cores where there is work for more."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10  # is all that counts where the policy is refused, as some sandboxes do


def step_back() -> None:
    """Leave the cores to every other process that wants them, at once; what they leave is enough to go on.

    SCHED_IDLE: Linux weighs such a thread 3 to 1024, and one that wakes up never waits for it.

    Linux keeps priorities by thread, and a thread begins with its starter's: those that libraries and models have
    started are told one by one.
    """
    for thread in [int(path.name) for path in Path("/proc/self/task").glob("*")]:
        with suppress(ProcessLookupError):  # it has ended since
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
            with suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
