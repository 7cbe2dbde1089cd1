"""What DNS says of SPF and DMARC for a domain, and what is offered to publish in its place. Pure.

No value that is offered is weaker than what applies today: a merged SPF record authorises every sender that was
authorised, and a DMARC record is at least as strict as the policy that the domain inherits. Where DNS could not tell,
nothing is offered.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from domains.checking.core.nearness import DIFFERS, difference
from domains.dmarc import core as dmarc_core
from domains.dmarc.core import AppliedPolicy
from domains.names.core import DomainName
from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import SpfNames

_AMAZONS = re.compile(r"[+?~-]?[a-z]+[:=](?:https?://|[@.])*amazonses\.com[^a-z0-9]*", re.IGNORECASE)
_UNSEEN = "We haven't checked {name} yet, so we can't suggest a value that keeps what is published there."
_UNTOLD = "We couldn't look up the DMARC policy of {name}, so we can't suggest a record that keeps it."


@dataclass(frozen=True)
class PublishedPolicies:
    """By name what DNS last told; a name that is missing could not be told yet.

    `spf` are the SPF lines at the names where Amazon's is wanted, `inside` those behind includes. Of other terms
    (name, type) is in `absent` where they find nothing, in `present` where they find something. `dmarc` are the DMARC
    records at the domain's own `_dmarc` name and at those above.
    `is_there` is False where the domain's name does not exist, so that `np=` applies to it.
    """

    spf: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: frozenset[tuple[str, str]] = frozenset()
    present: frozenset[tuple[str, str]] = frozenset()
    dmarc: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_there: bool = True

    @property
    def names(self) -> SpfNames:
        return SpfNames(self.inside, self.absent, self.present)

    def updated(self, new: Self) -> "PublishedPolicies":
        """With what was told again of the records; what could not be told stays as it was."""
        return PublishedPolicies(
            spf={**self.spf, **new.spf},
            inside={**self.inside, **new.inside},
            absent=(self.absent - new.present) | new.absent,
            present=(self.present - new.absent) | new.present,
            dmarc={**self.dmarc, **new.dmarc},
            is_there=new.is_there,
        )

    def as_json(self) -> dict[str, Any]:
        lists = {key: {name: list(lines) for name, lines in getattr(self, key).items()} for key in _BY_NAME}
        terms = {key: sorted(map(list, getattr(self, key))) for key in _TERMS}
        return {**lists, **terms, "is_there": self.is_there}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "PublishedPolicies":
        by_name = {key: {n: tuple(lines) for n, lines in stored.get(key, {}).items()} for key in _BY_NAME}
        absent, present = (frozenset((name, kind) for name, kind in stored.get(key, ())) for key in _TERMS)
        return PublishedPolicies(**by_name, absent=absent, present=present, is_there=stored.get("is_there", True))


_BY_NAME, _TERMS = ("spf", "inside", "dmarc"), ("absent", "present")
NOTHING_KNOWN = PublishedPolicies()


@dataclass(frozen=True)
class PolicyOffer:
    """The `value` to publish, "" where none is offered for the reason in `withheld`."""

    value: str
    withheld: str = ""


def dmarc_name(name: str) -> str:
    return f"_dmarc.{name}"


def names_above(domain: DomainName) -> tuple[str, ...]:
    """The domains whose DMARC record may apply, nearest first: the tree walk's (RFC 9989 4.10) and RFC 7489's."""
    labels = domain.ascii.split(".")
    walked = [".".join(labels[at:]) for at in range(max(1, len(labels) - 7), len(labels))]
    both = walked if domain.zone in (*walked, domain.ascii) else [domain.zone, *walked]
    return tuple(sorted(both, key=lambda name: -name.count(".")))


def dmarc_questions(domain: DomainName) -> tuple[str, ...]:
    return tuple(map(dmarc_name, (domain.ascii, *names_above(domain))))


def dmarc_lines(values: Iterable[str]) -> tuple[str, ...]:
    """What is DMARC, or was meant as DMARC, among the values of a name."""
    return tuple(v for v in values if dmarc_core.is_dmarc(v) or dmarc_core.resembles_dmarc(v))


def inherited(domain: DomainName, policies: PublishedPolicies) -> AppliedPolicy | None:
    """The policy that applies while the domain has no usable record of its own.

    The stricter one where receivers of RFC 9989 and of RFC 7489 differ. None where none applies. ValueError where that
    could not be told.
    """
    above = [(name, policies.dmarc.get(dmarc_name(name))) for name in names_above(domain)]
    exists = policies.is_there
    organization = [(name, lines) for name, lines in above if name == domain.zone]
    by_zone = dmarc_core.applied((), organization, exists=exists)
    try:
        walked = dmarc_core.applied((), above, exists=exists)
    except ValueError:
        if by_zone is None:
            raise
        walked = None  # above the organization's own record no other applies, as far as registries go
    found = [policy for policy in (walked, by_zone) if policy]
    return max(found, key=lambda each: dmarc_core.POLICIES.index(each.policy), default=None)


def applies(domain: DomainName, policies: PublishedPolicies) -> AppliedPolicy | None:
    """The policy by which receivers go, the domain's own or an inherited one. ValueError where it could not be told."""
    name = dmarc_name(domain.ascii)
    own = policies.dmarc.get(name)
    if own is None:
        raise ValueError("the lookup of the domain's own policy failed")
    line = dmarc_core.used_line(own)
    return AppliedPolicy(dmarc_core.read(line).policy, domain.ascii, line) if line else inherited(domain, policies)


def offered_dmarc(domain: DomainName, reports_to: str, policies: PublishedPolicies) -> PolicyOffer:
    own = policies.dmarc.get(dmarc_name(domain.ascii))
    if own is None:
        return PolicyOffer("", _UNSEEN.format(name=dmarc_name(domain.ascii)))
    if line := dmarc_core.used_line(own):
        is_whole = not dmarc_core.read(line).problems and _reports_there(line, reports_to)
        return PolicyOffer(line if is_whole else dmarc_core.mended(line, reports_to))
    try:
        above = inherited(domain, policies)
    except ValueError:
        return PolicyOffer("", _UNTOLD.format(name=domain.ascii))
    if own:
        strictest = max(own, key=lambda each: dmarc_core.POLICIES.index(dmarc_core.meant(each).get("p", "none")))
        others = tuple(line for line in own if line != strictest)
        return PolicyOffer(dmarc_core.mended(strictest, reports_to, above, others))
    return PolicyOffer(dmarc_core.brought_down(above, reports_to) if above else dmarc_core.watching(reports_to))


def _reports_there(line: str, reports_to: str) -> bool:
    return not reports_to or reports_to.lower() in dmarc_core.read(line).reports


def offered_spf(name: str, policies: PublishedPolicies, *, is_apex: bool) -> PolicyOffer:
    """At the domain itself nothing is offered before we saw what is there; a new MAIL FROM name has nothing yet."""
    lines = policies.spf.get(name)
    if lines is None:
        return PolicyOffer("", _UNSEEN.format(name=name)) if is_apex else PolicyOffer(merger.FRESH)
    kept = lines if is_apex else tuple(line for line in lines if not _is_ours_spoilt(line))
    return _merged(kept, policies.names)


def _is_ours_spoilt(line: str) -> bool:
    """Whether it is what we asked for, mistyped: then it is to be replaced, and nobody else sends by it."""
    read = grammar.read(line)
    is_amazons_alone = all(term.is_all or _AMAZONS.fullmatch(term.text) for term in read.terms)
    return bool(read.problems) and (is_amazons_alone or difference(merger.FRESH, line) != DIFFERS)


def _merged(lines: Sequence[str], names: SpfNames) -> PolicyOffer:
    found = merger.merged(lines, names) if len(lines) > 1 else merger.merge("".join(lines), names=names)
    return PolicyOffer(found.value, found.withheld)
