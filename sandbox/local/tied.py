"""Ties a child process to the process that started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
# Looked up here, not in the child: between fork and exec a child must not import or take locks.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def to_starter(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn`: the kernel sends `stop_signal` when the starting *thread* ends, in any way. Linux only."""
    if _prctl is None:
        return None
    starter = os.getpid()

    def tie() -> None:
        # The kernel doesn't notice a starter that died before the call, so the child checks.
        if _prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0) != 0 or os.getppid() != starter:
            os._exit(1)

    return tie
