"""Runs several programs at once, prints their lines with a name before each, and leaves none behind.

honcho's Manager does most of this, but a signal during its start loses the children that it has started (it looks
up a pid that it has not been told), a child that ignores SIGTERM after Ctrl-C is waited for without end, and all
die with nobody to tell when it is killed. Here each child is tied to us (`tied.py`) and leads a process group.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from inbound_admin.lib.errors import Problem
from sandbox.local import tied

_GRACE_SECONDS = 8
_POLL_SECONDS = 0.1
_WIDTH = 8


class Stopped(Exception):
    """A person, or the system, asked us to stop."""


@dataclass(frozen=True)
class Child:
    """One program and the thread that passes its lines on."""

    name: str
    process: "subprocess.Popen[str]"
    reader: threading.Thread
    may_end: bool

    @property
    def has_failed(self) -> bool:
        """Whether it has ended and should not have."""
        status = self.process.poll()
        return status is not None and not (self.may_end and status == 0)


class Children:
    """Use from the main thread alone: signals arrive there, and a child lives as long as the thread that started it."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *, grace_seconds: float = _GRACE_SECONDS) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._grace = grace_seconds
        self._running: list[Child] = []
        self._asked_to_stop = False
        self._print = threading.Lock()

    def tell(self, **settings: str) -> None:
        """What every child that is started from here on finds in its environment."""
        self._environment |= settings

    def heed_signals(self) -> None:
        """From here on SIGINT and SIGTERM end the next wait with `Stopped`."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def start(self, name: str, command: Sequence[str], *, may_end: bool = False) -> Child:
        """Runs until `stop`; whichever ends earlier fails the next wait, unless it may end and did so with status 0."""
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=tied.to_starter(signal.SIGTERM),  # noqa: PLW1509  # it takes no lock: see there
        )
        child = Child(name, process, threading.Thread(target=self._pass_on, args=(name, process), daemon=True), may_end)
        child.reader.start()
        self._running.append(child)
        return child

    def run(self, name: str, command: Sequence[str]) -> None:
        """Runs to its end. Raises Problem if that is not a status of 0, or if another child ends meanwhile."""
        self.finish(self.start(name, command))

    def finish(self, child: Child) -> None:
        """Waits for its end. Raises Problem if that is not a status of 0, or if another child ends meanwhile."""
        while child.process.poll() is None:
            self._look_around(expected=child)
        child.reader.join(_GRACE_SECONDS)
        self._running.remove(child)
        if child.process.returncode != 0:
            raise Problem(f"`{child.name}` {_ending(child)}. See its output above.")

    def output_of(self, name: str, command: Sequence[str]) -> list[str]:
        """The lines of a short program that ends by itself. Raises Problem if its status is not 0."""
        made = subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            env=self._environment,
            text=True,
            capture_output=True,
            start_new_session=True,
        )
        if made.returncode != 0:
            raise Problem(f"`{name}` ended with status {made.returncode}: {made.stderr.strip()}")
        return made.stdout.splitlines()

    def wait_until(self, is_true: Callable[[], bool], *, seconds: float) -> bool:
        """False when the time is over. Raises Problem when a child ends, `Stopped` when we are asked to."""
        last = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > last:
                return False
            self._look_around()
        return True

    def wait(self) -> NoReturn:
        """Ends by Problem, when a child ends, or by `Stopped`."""
        while True:
            self._look_around()

    def stop(self) -> None:
        """The last started first, so that none misses what it stands on; by force where need be. Gone on return."""
        for child in reversed(self._running):
            child.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(self._grace)
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            child.reader.join(_GRACE_SECONDS)
        self._running.clear()

    def say(self, name: str, line: str) -> None:
        """One line, never cut by another's."""
        with self._print:
            print(f"{name:<{_WIDTH}} | {line}", flush=True)

    def say_block(self, lines: Sequence[str]) -> None:
        """Lines without a name before them, together."""
        with self._print:
            print("\n".join(lines), flush=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _look_around(self, expected: Child | None = None) -> None:
        if self._asked_to_stop:
            raise Stopped
        for child in self._running:
            if child is not expected and child.has_failed:
                child.reader.join(_GRACE_SECONDS)
                raise Problem(f"`{child.name}` {_ending(child)}, so everything stops. See its output above.")
        time.sleep(_POLL_SECONDS)

    def _pass_on(self, name: str, process: "subprocess.Popen[str]") -> None:
        with process.stdout or nullcontext(()) as lines:
            for line in lines:
                self.say(name, line.rstrip("\n"))


def _ending(child: Child) -> str:
    status = child.process.returncode
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def python(*arguments: str) -> list[str]:
    """A command of this very interpreter, its lines not held back."""
    return [sys.executable, "-u", *arguments]
