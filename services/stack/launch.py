"""`python launch.py PARENT COMMAND...` becomes COMMAND, which then gets SIGTERM when PARENT dies, however suddenly.

A program of its own and not a function between fork and exec: gRPC's threads do not survive a fork.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2); it outlives an exec


def launch(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - becoming the command is the point


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
