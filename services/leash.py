"""Starts a command that must not outlive the process that asked for it.

    python leash.py PARENT_PID SIGNAL COMMAND...

The kernel sends the command that signal when that process dies, however it dies. The wish survives exec, so the command
knows nothing of it; asking here, and not between fork and exec, keeps Python code out of a forked, threaded process.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def leash(command: Sequence[str], number: signal.Signals) -> tuple[str, ...]:
    """What to start so that `command` gets the signal when this process dies."""
    # -I and -S: what the environment says about Python is for the command, and this is over sooner.
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(number)), *command)


def main() -> None:
    parent, number, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(parent):
        sys.exit("the process that asked for this is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
