"""Adds SES's include to an SPF record and merges several records into one, and judges the result. Pure.

A merged value is offered only if it is valid, needs at most ten lookups and authorises every sender that any of the
lines authorised. If a name in it could not be looked up, none is offered. `Merged.withheld` says why, and what to
change first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domains.checking.core.nearness import is_close
from domains.spf.core.evaluation import (
    MOST_LOOKUPS,
    MOST_VOIDS,
    NO_NAMES,
    SpfNames,
    broken_includes,
    count_lookups,
    count_voids,
    first_unresolved,
)
from domains.spf.core.grammar import AMAZON, Spf, Term, authorises, is_spf, parse, parse_term

DEFAULT_RECORD = f"v=spf1 include:{AMAZON} ~all"
_LONGEST = 2000  # characters: DNS hosts and receivers cut longer records


_LOOKUP_FAILED = (
    "We couldn't look up {name}, so we can't tell whether a merged record would work. Check again in a few minutes."
)


@dataclass(frozen=True)
class Merged:
    """The one line to publish, "" if none is offered for the reason in `withheld`. `lookups` is its lookup count."""

    value: str
    lookups: int
    withheld: str = ""


def add_include(existing: str, names: SpfNames = NO_NAMES) -> Merged:
    """Return the existing record ("" for none) with the include added before "all" or "redirect="."""
    if not existing:
        return Merged(DEFAULT_RECORD, 1)
    spf = parse(existing)
    if not authorises(existing, AMAZON):
        kept = [term for term in spf.terms if not _means_ses(term)]
        at = _end_of_senders(kept)
        spf = Spf((*kept[:at], parse_term(f"include:{AMAZON}"), *kept[at:]))
    return _evaluate(spf, (existing,), names)


def merge_records(lines: Sequence[str], names: SpfNames = NO_NAMES) -> Merged:
    """Merge the lines: each sender once, then SES, then the mildest "all", so that nobody loses authorisation and no
    other sender is judged more strictly. A line that doesn't end in "all" is neutral (RFC 7208 4.7).

    A redirect becomes an include, which authorises the same senders. A line that excludes a sender goes last, so that
    the others still authorise it.
    """
    read_lines = [parse(line) for line in lines]
    excluding = [spf for spf in read_lines if _excludes(spf)]
    if len(excluding) > 1:
        return Merged(
            "",
            0,
            "Each record excludes some senders, so we can't tell which of them may still send. Merge them by hand.",
        )
    terms = [term for spf in sorted(read_lines, key=_excludes) for term in spf.effective_terms]
    authorising = (term for term in terms if term.is_redirect or not (term.is_all or term.is_modifier))
    senders = dict.fromkeys(f"include:{t.argument}" if t.is_redirect else t.text for t in authorising)
    mildest = min((_default_result(spf, names) for spf in read_lines), key="?~-".index)
    kept = [text for text in senders if not _means_ses(parse_term(text))]
    line = " ".join(["v=spf1", *kept, f"include:{AMAZON}", f"{mildest}all"])
    return _evaluate(parse(line), lines, names)


def line_to_keep(lines: Sequence[str], merged: str) -> str:
    """Return which of several SPF records stays: `merged` itself, or else a valid one that has most of it."""
    wanted = set(merged.split())

    def fitness(line: str) -> tuple[bool, bool, int, bool]:
        is_valid = is_spf(line) and not parse(line).problems
        return line == merged, is_valid, len(wanted & set(line.split())), is_valid and authorises(line)

    return max(lines, key=fitness)


def _default_result(spf: Spf, names: SpfNames, redirects: int = 0) -> str:
    """Return the qualifier for senders that no term names. Neutral for an unknown redirect, and for "+all"."""
    for term in spf.effective_terms:
        if term.is_all:
            return term.qualifier if term.qualifier != "+" else "?"
        if term.is_redirect and redirects < MOST_LOOKUPS and len(lines := names.lines.get(term.domain, ())) == 1:
            return _default_result(parse(lines[0]), names, redirects + 1)
    return "?"


def _evaluate(spf: Spf, before: Sequence[str], names: SpfNames) -> Merged:
    """Offer the record only if receivers accept it and no sender is lost."""
    text = str(spf)
    counted = count_lookups(text, names)
    problems = [problem.reason for line in before for problem in parse(line).problems]
    inner = [f"Remove or correct “{each.term}”. {each.reason}" for each in broken_includes(text, names)]
    unknown = "" if text in before else first_unresolved(text, names)  # an unchanged record adds no risk
    is_open = any(parse(line).allows_anyone for line in before)
    reasons = (
        (bool(problems), f"The current record is invalid. Correct it first: {''.join(problems[:1])}"),
        (bool(inner), "".join(inner[:1])),
        (counted.too_many, _too_many(counted.total, counted.costliest)),
        (count_voids(text, names) > MOST_VOIDS, "More than 2 of its hosts don't exist. Remove them."),
        (is_open, "The current record lets anyone send. Change “+all” to “~all”."),
        (bool(unknown), _LOOKUP_FAILED.format(name=unknown)),
        (len(text) > _LONGEST, f"The merged record would have {len(text):,} characters, which is too long for DNS."),
    )
    withheld = next((reason for holds, reason in reasons if holds), "")
    return Merged("" if withheld else text, counted.total, withheld)


def _too_many(total: int, costliest: tuple[str, int]) -> str:
    term, costs = costliest
    count = "1 lookup" if costs == 1 else f"{costs} lookups"
    return f"The merged record would need {total} DNS lookups; 10 are allowed. Remove one, such as “{term}” ({count})."


def _means_ses(term: Term) -> bool:
    """Return True if the term includes SES's domain, or was meant to: a typo, or a subdomain of it."""
    is_meant = term.domain.endswith(f".{AMAZON}") or (bool(term.domain) and is_close(term.domain, AMAZON, 2))
    return term.name == "include" and is_meant


def _excludes(spf: Spf) -> bool:
    """Return True if a term before "all" has another result than pass, so that the order of senders matters."""
    return any(term.qualifier != "+" for term in spf.effective_terms if not term.is_all and not term.is_modifier)


def _end_of_senders(terms: list[Term]) -> int:
    """Return the position before the first "all", or else before the redirect, or else the end."""
    alls = [at for at, term in enumerate(terms) if term.is_all]
    redirects = [at for at, term in enumerate(terms) if term.is_redirect]
    return min(alls or redirects, default=len(terms))
