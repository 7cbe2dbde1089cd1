"""SPF lines of one name made into one, and their look-ups counted with those inside of includes (RFC 7208 4.6.4)."""

from collections.abc import Mapping
from dataclasses import dataclass

from domains.core import spf

_DEEPEST = 10  # an include that includes itself ends here


@dataclass(frozen=True)
class Counted:
    """`by_term` has what each term of the line costs, those inside of it counted."""

    total: int
    by_term: tuple[tuple[str, int], ...]


def merged(lines: tuple[str, ...]) -> spf.Merged:
    """All senders of all lines once, in order, then Amazon, and the mildest "all": nobody is shut out."""
    terms = [term for line in lines for term in spf.read(line).reached]
    senders = dict.fromkeys(term.text for term in terms if not term.is_all and not term.is_modifier)
    alls = sorted((term.qualifier for term in terms if term.is_all and term.qualifier != "+"), key="?~-".index)
    ending = f"{alls[0] if alls else '~'}all"
    return spf.merge(" ".join(["v=spf1", *senders, ending]))


def nested_lookups(line: str, texts: Mapping[str, str]) -> Counted:
    """`texts` are the SPF lines behind includes by name; one that is not known counts as one look-up."""
    terms = spf.read(line).reached
    costs = tuple((term.text, _cost(term, texts, 0)) for term in terms if term.looks_up)
    return Counted(sum(cost for _, cost in costs), costs)


def includes(line: str) -> tuple[str, ...]:
    """The names whose SPF lines count towards this one's."""
    wanted = ("include", "redirect")
    return tuple(term.argument.lower().rstrip(".") for term in spf.read(line).reached if term.name in wanted)


def _cost(term: spf.Term, texts: Mapping[str, str], depth: int) -> int:
    inner = texts.get(term.argument.lower().rstrip("."), "") if term.name in ("include", "redirect") else ""
    if not spf.is_spf(inner) or depth >= _DEEPEST:
        return 1
    return 1 + sum(_cost(each, texts, depth + 1) for each in spf.read(inner).reached if each.looks_up)
