"""Ties a child process to the life of the process that started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
# Looked up here, not in the child: between fork and exec a child must not import or take locks.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def to_starter(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn`: the kernel sends `stop_signal` when the starting *thread* ends, however it ends. Linux alone."""
    if _prctl is None:
        return None
    starter = os.getpid()

    def tie() -> None:
        # A starter that died before the call is not noticed by the kernel: the child looks for itself.
        if _prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0) != 0 or os.getppid() != starter:
            os._exit(1)

    return tie
