"""Two values side by side with the differing characters marked, for the eye and for plain text."""

from difflib import SequenceMatcher

Piece = tuple[str, bool]


def marked(expected: str, found: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both values in pieces; True marks what the other has not. Cut, since it is quadratic."""
    matcher = SequenceMatcher(None, expected[:300], found[:300], autojunk=False)
    ours: list[Piece] = []
    theirs: list[Piece] = []
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if end > start:
            ours.append((expected[start:end], tag != "equal"))
        if other_end > other_start:
            theirs.append((found[other_start:other_end], tag != "equal"))
    return tuple(ours), tuple(theirs)


def bracketed(expected: str, found: str) -> tuple[str, str]:
    """The same as text, the differing characters in square brackets."""
    ours, theirs = marked(expected, found)
    return _bracket(ours), _bracket(theirs)


def _bracket(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece}]" if differs else piece for piece, differs in pieces)
