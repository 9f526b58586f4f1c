"""How much of the cores a worker takes where others need them too."""

import os
from contextlib import suppress
from pathlib import Path


def lower_priority(niceness: int) -> None:
    """Add to the niceness of this process.

    Linux keeps priorities by thread, and a thread begins with its starter's: those that libraries and models have
    started are told one by one.
    """
    threads = [int(path.name) for path in Path("/proc/self/task").glob("*")] or [0]
    for thread in threads:
        with suppress(ProcessLookupError):  # it has ended since
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)
