"""Two values side by side with the differing characters marked, for the eye and for plain text."""

from difflib import SequenceMatcher

Piece = tuple[str, bool]
Pair = tuple[tuple[Piece, ...], tuple[Piece, ...]]
LONGEST = 300  # characters that are compared: it is quadratic
FEW = 3  # pieces that differ; more of them are two values that have letters in common


def marked(expected: str, found: str) -> Pair:
    """Both values in pieces; True marks what the other has not. Cut, since it is quadratic."""
    matcher = SequenceMatcher(None, expected[:LONGEST], found[:LONGEST], autojunk=False)
    ours: list[Piece] = []
    theirs: list[Piece] = []
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if end > start:
            ours.append((expected[start:end], tag != "equal"))
        if other_end > other_start:
            theirs.append((found[other_start:other_end], tag != "equal"))
    return tuple(ours), tuple(theirs)


def near(expected: str, found: str) -> Pair | None:
    """The same where little differs; None where marks would only be noise, or mark nothing."""
    if expected == found or max(len(expected), len(found)) > LONGEST:
        return None
    pair = marked(expected, found)
    return pair if all(sum(differs for _, differs in pieces) <= FEW for pieces in pair) else None


def side_by_side(looked_for: str, found: str) -> Pair | None:
    """Of a finding's two lines. Where the place is what differs ("TXT at …", "at …") the places are compared."""
    kind, at, place = looked_for.partition(" at ")
    if not at or not found.startswith("at "):
        return near(looked_for, found)
    pair = near(place, found.removeprefix("at "))
    return (((kind + at, False), *pair[0]), (("at ", False), *pair[1])) if pair else None


def bracketed(expected: str, found: str) -> tuple[str, str]:
    """The same as text, the differing characters in square brackets."""
    ours, theirs = marked(expected, found)
    return _bracket(ours), _bracket(theirs)


def _bracket(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece}]" if differs else piece for piece, differs in pieces)
