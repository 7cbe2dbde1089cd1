"""Create the initial state of many runs once, then restore it."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

from django.db import transaction

from sandbox.process import Sandbox
from sandbox.snapshot import Snapshot

T = TypeVar("T")


class InitialState(Generic[T]):
    """Run `begin` at the first `restore`. Each later one restores our rows and the sandbox to the state after it."""

    def __init__(self, sandbox: Sandbox, begin: Callable[[], T]) -> None:
        self._sandbox, self._begin = sandbox, begin
        self._folder = TemporaryDirectory()
        self._snapshot = Snapshot(Path(self._folder.name), sandbox.zones)
        self._rows = ""

    def __enter__(self) -> "InitialState[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def restore(self) -> T:
        self._sandbox.control.reset()
        if self._rows:
            transaction.savepoint_rollback(self._rows)
            assert self._snapshot.load(), "the sandbox has moved"
        else:
            self._made = self._begin()
            self._rows = transaction.savepoint()
            self._snapshot.save()
        self._sandbox.control.clear_calls()
        return self._made
