"""Evaluates an SPF record with its includes and redirect: lookups, void lookups, errors inside. Pure.

RFC 7208 4.6.4 allows ten DNS lookups and two void lookups. An include of a name without exactly one valid SPF record is
an error of the whole record (5.2, 6.1). A failed lookup counts as one lookup and as no error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domains.spf.core.grammar import AMAZON, Spf, Term, parse

MOST_LOOKUPS = 10
MOST_VOIDS = 2
_DEEPEST = 10  # stops include loops


@dataclass(frozen=True)
class SpfNames:
    """What DNS has at the names in a record: the SPF `lines` at each, () for none.

    Other terms (name, type) are in `absent` if they resolve to nothing and in `present` if they resolve. A name in none
    of them could not be looked up.
    """

    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: frozenset[tuple[str, str]] = frozenset()
    present: frozenset[tuple[str, str]] = frozenset()


NO_NAMES = SpfNames()


@dataclass(frozen=True)
class LookupCount:
    """`by_term` has the cost of each term of the line, including lookups inside it."""

    total: int
    by_term: tuple[tuple[str, int], ...]

    @property
    def too_many(self) -> bool:
        return self.total > MOST_LOOKUPS

    @property
    def costliest(self) -> tuple[str, int]:
        return max(self.by_term, key=lambda pair: pair[1], default=("", 0))


@dataclass(frozen=True)
class BrokenInclude:
    """A syntactically correct term that makes the whole record an error. `reason` is a sentence."""

    term: str
    reason: str


def count_lookups(line: str, names: SpfNames = NO_NAMES) -> LookupCount:
    """Count the DNS lookups of the terms that take effect. An unknown name counts as one lookup."""
    terms = parse(line).effective_terms
    costs = tuple((term.text, _cost(term, names, 0)) for term in terms if term.needs_lookup)
    return LookupCount(sum(cost for _, cost in costs), costs)


def included_names(line: str) -> tuple[str, ...]:
    """Return the names of includes and redirects, in order."""
    return tuple(dict.fromkeys(term.domain for term in parse(line).effective_terms if _refers_to_record(term)))


def names_looked_up(line: str) -> tuple[tuple[str, str], ...]:
    """Return (name, type) of the other terms with a name to look up. Names with macros differ by message and are left
    out.
    """
    kinds = {"a": "A", "exists": "A", "mx": "MX"}
    terms = (
        term for term in parse(line).effective_terms if term.name in kinds and not term.is_modifier and term.domain
    )
    return tuple(dict.fromkeys((term.domain, kinds[term.name]) for term in terms))


def broken_includes(line: str, names: SpfNames) -> tuple[BrokenInclude, ...]:
    """Return the broken terms of the line and of everything that it includes, each term once."""
    found = {each.term: each for each in _broken(parse(line), names, 0)}
    return tuple(found.values())


def count_voids(line: str, names: SpfNames) -> int:
    """Count the lookups that find nothing; more than two are an error."""
    return sum(pair in names.absent for pair in _all_looked_up(line, names, 0))


def first_unresolved(line: str, names: SpfNames) -> str:
    """Return the first name whose lookup failed, so that its cost is unknown; "" if all are known."""
    return next(_unresolved(line, names, 0), "")


def _unresolved(line: str, names: SpfNames, depth: int) -> Iterator[str]:
    yield from (pair[0] for pair in names_looked_up(line) if pair not in names.absent | names.present)
    for name in included_names(line) if depth < _DEEPEST else ():
        if name != AMAZON and name not in names.lines:
            yield name
        for inner in names.lines.get(name, ())[:1]:
            yield from _unresolved(inner, names, depth + 1)


def _refers_to_record(term: Term) -> bool:
    return bool(term.domain) and (term.is_redirect or (term.name == "include" and not term.is_modifier))


def _inner(term: Term, names: SpfNames) -> Spf | None:
    """Return the one line behind an include; None if it is unknown or there is not exactly one."""
    lines = names.lines.get(term.domain, ()) if _refers_to_record(term) else ()
    return parse(lines[0]) if len(lines) == 1 else None


def _cost(term: Term, names: SpfNames, depth: int) -> int:
    inner = _inner(term, names)
    if inner is None or depth >= _DEEPEST:
        return 1
    return 1 + sum(_cost(each, names, depth + 1) for each in inner.effective_terms if each.needs_lookup)


def _broken(spf: Spf, names: SpfNames, depth: int) -> Iterator[BrokenInclude]:
    for term in spf.effective_terms:
        lines = names.lines.get(term.domain) if _refers_to_record(term) else None
        if lines is None:
            continue
        if len(lines) != 1:
            held = "no SPF record" if not lines else f"{len(lines)} SPF records"
            yield BrokenInclude(term.text, f"{term.domain} has {held}, so receivers reject the whole record.")
        elif (inner := parse(lines[0])).problems:
            yield BrokenInclude(term.text, f"The SPF record of {term.domain} is broken: {inner.problems[0].reason}")
        elif depth < _DEEPEST:
            yield from _broken(inner, names, depth + 1)


def _all_looked_up(line: str, names: SpfNames, depth: int) -> Iterator[tuple[str, str]]:
    yield from names_looked_up(line)
    for name in included_names(line) if depth < _DEEPEST else ():
        for inner in names.lines.get(name, ())[:1]:
            yield from _all_looked_up(inner, names, depth + 1)
