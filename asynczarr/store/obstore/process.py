"""obstore's threads and the life of a process: they do not survive a fork, and must not outlive Python."""

from __future__ import annotations

import atexit
import os
import time

from ...errors import Unsupported

__all__ = ["check_process"]

_PUT_DOWN = 0.1  # seconds: far more than obstore's threads need to get a turn


class _Process:
    """The process whose threads obstore uses: they do not survive a fork, and calls would wait for them forever."""

    user: int | None = None


def check_process() -> None:
    """Claim obstore for this process; raises Unsupported if it is a fork of one that has used it."""
    if _Process.user != os.getpid():
        if _Process.user is not None:
            raise Unsupported("obstore does not survive a fork: start processes by spawn or forkserver")
        _Process.user = os.getpid()


@atexit.register
def _wait_for_threads() -> None:
    """Let obstore's threads put down what they hold of Python after the last answer.

    They need the GIL for that. One that asks for it while Python is ending aborts the process, which had done all that
    it should: one in eight did on a busy machine.
    """
    time.sleep(_PUT_DOWN)
