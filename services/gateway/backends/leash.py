"""Starts a command that must not outlive the process that asked for it.

    python -m services.gateway.backends.leash PARENT_PID COMMAND...

The kernel kills the command when that process dies, however it dies. The wish survives exec, so the command knows
nothing of it; asking here, and not between fork and exec, keeps Python code out of a forked, threaded process.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the process that asked for this is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
