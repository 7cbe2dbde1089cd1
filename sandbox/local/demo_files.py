"""Files of `make run` about the demo, for each database: whether it is complete, its progress, the sandbox's state.

A recreated or different database gets a sandbox of its own, so SES and DNS never contain what no row has.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo_progress import ProgressFile

STATE, UNREADABLE = "state.pickle", "state.pickle.unreadable"  # as snapshot.py has them, which imports moto


@dataclass(frozen=True)
class DemoFiles:
    """`database` identifies the database."""

    local: Path
    database: str

    @property
    def mark(self) -> Path:
        """Exists once the demo is complete."""
        return self.local / "seeded" / self._key

    @property
    def progress_path(self) -> Path:
        return self.mark.with_suffix(".progress")

    @property
    def progress(self) -> ProgressFile:
        return ProgressFile(str(self.progress_path))

    @property
    def state(self) -> Path:
        """Return the folder of the sandbox's state."""
        return self.local / "sandbox" / self._key

    @property
    def is_seeded(self) -> bool:
        return self.mark.exists()

    @property
    def is_lost(self) -> bool:
        """Return whether the database has a demo, or part of one, whose SES and DNS state is gone."""
        progress = self.progress.read()
        if progress is not None and progress.is_lost:
            return True
        begun = self.is_seeded or (progress is not None and progress.done > 0)
        return begun and ((self.state / UNREADABLE).exists() or not (self.state / STATE).exists())

    def prepare(self) -> None:
        """Create the folder, and move files there that an earlier version kept for all databases."""
        earlier = self.local / "sandbox" / STATE
        self.state.mkdir(parents=True, exist_ok=True)
        if self.is_seeded and earlier.exists() and not (self.state / STATE).exists():
            earlier.replace(self.state / STATE)

    def complete(self) -> None:
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        self.mark.touch()
        self.progress.remove()

    @property
    def _key(self) -> str:
        return hashlib.sha256(self.database.encode()).hexdigest()[:16]
