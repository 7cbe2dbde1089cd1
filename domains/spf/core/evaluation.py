"""Evaluates an SPF record with its includes and redirect: lookups, void lookups, errors inside. Pure.

RFC 7208 4.6.4 allows ten DNS lookups and two void lookups. An include of a name without exactly one valid SPF record is
an error of the whole record (5.2, 6.1). A failed lookup counts as one lookup and as no error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from domains.spf.core.grammar import AMAZON, Term, parse

MOST_LOOKUPS = 10
MOST_VOIDS = 2
_DEEPEST = 10  # levels of includes
_MOST_VISITED = 1000  # terms: records that include each other several times would be visited billions of times
_HOSTS = {"a": "A", "exists": "A", "mx": "MX"}


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
    costs: list[tuple[str, int]] = []
    for level, term in _lookups(line, names):
        outer, cost = (term.text, 0) if level == 0 else costs.pop()
        costs.append((outer, cost + 1))
    return LookupCount(sum(cost for _, cost in costs), tuple(costs))


def included_names(line: str) -> tuple[str, ...]:
    """Return the names of includes and redirects, in order."""
    return tuple(dict.fromkeys(term.domain for term in parse(line).effective_terms if _refers_to_record(term)))


def names_looked_up(line: str) -> tuple[tuple[str, str], ...]:
    """Return (name, type) of the other terms with a name to look up, without macros: those differ by message."""
    return tuple(dict.fromkeys(pair for term in parse(line).effective_terms if (pair := _host(term))))


def broken_includes(line: str, names: SpfNames) -> tuple[BrokenInclude, ...]:
    """Return the broken terms of the line and of everything that it includes, each term once."""
    reasons = {term.text: reason for _, term in _lookups(line, names) if (reason := _broken_because(term, names))}
    return tuple(BrokenInclude(term, reason) for term, reason in reasons.items())


def count_voids(line: str, names: SpfNames) -> int:
    """Count the lookups that find nothing; more than two are an error."""
    return sum(_host(term) in names.absent for _, term in _lookups(line, names))


def first_unresolved(line: str, names: SpfNames) -> str:
    """Return the first name whose lookup failed, so that its cost is unknown; "" if all are known."""
    known = {(AMAZON, ""), *((name, "") for name in names.lines), *names.absent, *names.present}
    terms = (term for _, term in _lookups(line, names))
    wanted = (_host(term) or (term.domain, "") for term in terms if _host(term) or _refers_to_record(term))
    return next((pair[0] for pair in wanted if pair not in known), "")


def _lookups(line: str, names: SpfNames) -> Iterator[tuple[int, Term]]:
    """Yield the terms that cost a lookup, each followed by those behind it, with their levels: 0 in the line itself."""

    @cache
    def terms_of(text: str) -> tuple[Term, ...]:
        return tuple(term for term in parse(text).effective_terms if term.needs_lookup)

    def visit(text: str, level: int) -> Iterator[tuple[int, Term]]:
        for term in terms_of(text):
            yield level, term
            lines = names.lines.get(term.domain, ()) if _refers_to_record(term) else ()
            if len(lines) == 1 and level < _DEEPEST:
                yield from visit(lines[0], level + 1)

    return islice(visit(line, 0), _MOST_VISITED)


def _refers_to_record(term: Term) -> bool:
    return bool(term.domain) and (term.is_redirect or (term.name == "include" and not term.is_modifier))


def _host(term: Term) -> tuple[str, str] | None:
    """Return the name and type that the term asks for; None if it asks for a record, or if its name differs."""
    is_host = term.name in _HOSTS and not term.is_modifier and bool(term.domain)
    return (term.domain, _HOSTS[term.name]) if is_host else None


def _broken_because(term: Term, names: SpfNames) -> str:
    lines = names.lines.get(term.domain) if _refers_to_record(term) else None
    if lines is None:
        return ""
    if len(lines) != 1:
        held = f"{len(lines)} SPF records" if lines else "no SPF record"
        return f"{term.domain} has {held}, so receivers reject the whole record."
    problems = parse(lines[0]).problems
    return f"The SPF record of {term.domain} is broken: {problems[0].reason}" if problems else ""
