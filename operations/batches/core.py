"""Kinds of batches and the result of an item. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class BatchKind(StrEnum):
    CHECK = "check"
    IMPORT = "import"
    TRANSFER = "transfer"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"
    PAUSE = "pause"
    RESUME = "resume"
    DECIDE = "decide"
    LEGACY_IMPORT = "move_in"

    @property
    def words(self) -> str:
        return _WORDS[self]

    @property
    def noun(self) -> str:
        """The noun for one item."""
        return _NOUNS.get(self, "domain")


_WORDS = {
    BatchKind.CHECK: "Check",
    BatchKind.IMPORT: "Add",
    BatchKind.TRANSFER: "Transfer",
    BatchKind.HOLD: "Hold",
    BatchKind.RELEASE: "Release",
    BatchKind.DELETE: "Delete",
    BatchKind.PAUSE: "Pause",
    BatchKind.RESUME: "Resume",
    BatchKind.DECIDE: "Resolve",
    BatchKind.LEGACY_IMPORT: "Import",
}
_NOUNS = {
    BatchKind.PAUSE: "tenant",
    BatchKind.RESUME: "tenant",
    BatchKind.DECIDE: "difference",
    BatchKind.LEGACY_IMPORT: "customer",
}
DOMAIN_KINDS = tuple(kind for kind in BatchKind if kind.noun == "domain")
# A person waits for these: the request runs them, and after a crash the urgent lane does.
URGENT_KINDS = (BatchKind.PAUSE, BatchKind.RESUME)
# Imports have their own page, which shows their rows, and their own job, which reads SES, also for previews. So if SES
# doesn't answer, imports wait and no other batch does.
IMPORT_KINDS = (BatchKind.LEGACY_IMPORT,)
ORDINARY_KINDS = tuple(kind for kind in BatchKind if kind not in (*URGENT_KINDS, *IMPORT_KINDS))
_HELD = (("domain.held", "domain.released", "domain.transferred"), "held, released or transferred")
# What a person may have decided about an item since its batch began: (what in the change log, its verb).
LATER_DECISIONS: Mapping[BatchKind, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(
        URGENT_KINDS,
        (("tenant.pause_asked", "tenant.resume_asked", "tenant.pause_kept"), "paused, resumed or reviewed"),
    ),
    **dict.fromkeys((BatchKind.HOLD, BatchKind.RELEASE), _HELD),
    **dict.fromkeys((BatchKind.TRANSFER, BatchKind.DELETE), (("domain.transferred",), "transferred")),
}
BY_COMMAND = "by_command"  # the key of `Batch.words` that says that the command line started it
# Details that the page shows for all items together: the key of `Batch.words`, and its label.
SHOWN_WORDS: Mapping[str, str] = {
    "decision_words": "Decision",
    "customer_name": "Customer",
    "receiving": "Receiving",
    "despite_mx": "Deletes",
    "because": "Reason",
    "reason_words": "Reason",
    "until": "Until",
    "text": "Staff note",
    "told": "Message to customers",
    "review_on": "Review date",
}


@dataclass(frozen=True)
class BatchResult:
    """Result of an item. `tone` colours its label; `waits`: the effect is still pending."""

    word: str
    tone: str
    sentence: str
    waits: bool = False
