"""Progress of building the demo's history: a file that the seed writes, and that pages and a later seed read."""

from dataclasses import dataclass
from pathlib import Path

LOST = "lost"


@dataclass(frozen=True)
class Progress:
    """`is_lost`: SES and DNS of the sandbox started empty, while the database knows of more."""

    done: int = 0
    of: int = 0
    is_lost: bool = False

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.of) if self.of else 0


class ProgressFile:
    """Without a path, nothing is read or written."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None

    def read(self) -> Progress | None:
        """Return the progress; None if the demo is complete or was never started."""
        if self._path is None:
            return None
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return None
        if text == LOST:
            return Progress(is_lost=True)
        done, _, of = text.partition("/")
        return Progress(int(done), int(of)) if done.isdecimal() and of.isdecimal() else Progress()

    def note(self, done: int, of: int) -> None:
        """Record that so many parts are made. The file is replaced atomically, so nobody reads a partial number."""
        self._write(f"{done}/{of}")

    def note_lost(self) -> None:
        self._write(LOST)

    def remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(text)
        fresh.replace(self._path)
