"""The first step of a server's process, before the server itself: run as a script, by path, with nothing of ours.

In its own small program and not in a hook between fork and exec, since Python code there can hang when other threads
hold locks. ``argv[1]`` is JSON: the command; uid and gid to become; the pid of a parent to die with, or null.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def main(order: dict[str, Any]) -> None:
    if order["uid"] is not None:
        os.setgroups([])
        os.setgid(order["gid"])
        os.setuid(order["uid"])
    if order["parent"] is not None:
        die_with(order["parent"])
    os.execv(order["command"][0], order["command"])  # noqa: S606


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends. Becoming another user undoes it, so
    it comes after that; and the parent may have ended before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the process that asked for this server has ended")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
