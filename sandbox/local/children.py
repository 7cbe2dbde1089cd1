"""Runs several programs at once, prefixes their lines with a name, and leaves none behind.

honcho's Manager does most of this, but a signal during its start loses children (it looks up a PID that it doesn't yet
have), a child that ignores SIGTERM after Ctrl-C is awaited for ever, and children survive if it is killed. Here each
child is tied to us (`tied.py`) and leads a process group.
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
    """A person or the system asked us to stop."""


@dataclass(frozen=True)
class Child:
    """One program, and the thread that prints its lines."""

    name: str
    process: "subprocess.Popen[str]"
    reader: threading.Thread
    may_end: bool

    @property
    def has_failed(self) -> bool:
        """Return whether it ended unexpectedly."""
        status = self.process.poll()
        return status is not None and not (self.may_end and status == 0)


class Children:
    """Use only from the main thread: it gets signals, and a child lives as long as the thread that started it."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *, grace_seconds: float = _GRACE_SECONDS) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._grace = grace_seconds
        self._running: list[Child] = []
        self._asked_to_stop = False
        self._print = threading.Lock()

    def tell(self, **settings: str) -> None:
        """Set environment variables for every child that is started later."""
        self._environment |= settings

    def heed_signals(self) -> None:
        """From now on, SIGINT and SIGTERM end the next wait with `Stopped`."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def start(self, name: str, command: Sequence[str], *, may_end: bool = False) -> Child:
        """Run until `stop`. An earlier end fails the next wait, unless it may end and the status is 0."""
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
        """Run to the end. Raises Problem if the status isn't 0, or another child ends meanwhile."""
        self.finish(self.start(name, command))

    def finish(self, child: Child) -> None:
        """Wait for its end. Raises Problem if the status isn't 0, or another child ends meanwhile."""
        while child.process.poll() is None:
            self._look_around(expected=child)
        child.reader.join(_GRACE_SECONDS)
        self._running.remove(child)
        if child.process.returncode != 0:
            raise Problem(f"`{child.name}` {_ending(child)}. See its output above.")

    def output_of(self, name: str, command: Sequence[str]) -> list[str]:
        """Return the output of a short program. Raises Problem if the status isn't 0."""
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
        """Return False after the time. Raises Problem if a child ends, `Stopped` if we are asked to stop."""
        last = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > last:
                return False
            self._look_around()
        return True

    def wait(self) -> NoReturn:
        """Wait. Raises Problem if a child ends, `Stopped` if we are asked to stop."""
        while True:
            self._look_around()

    def stop(self) -> None:
        """Stop the last started first, so each can rely on those before it; kill if necessary.

        Returns when all have ended.
        """
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
        """Print one line, never mixed with another's."""
        with self._print:
            print(f"{name:<{_WIDTH}} | {line}", flush=True)

    def say_block(self, lines: Sequence[str]) -> None:
        """Print lines together, without a name before them."""
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
    """Return a command of this interpreter with unbuffered output."""
    return [sys.executable, "-u", *arguments]
