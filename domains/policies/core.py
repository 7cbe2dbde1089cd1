"""What DNS has for SPF and DMARC of a domain, and which value to offer for publication. Pure.

No offered value is weaker than what applies today, and none is stricter unless its owner published it so. A merged SPF
record authorises every sender that was authorised and has the mildest "all". A DMARC record has the inherited policy,
or the mildest of several own ones. If DNS could not tell, nothing is offered.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from domains.checking.core.nearness import DIFFERS, difference
from domains.dmarc import core as dmarc_core
from domains.dmarc.core import AppliedPolicy
from domains.names.core import DomainName
from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import SpfNames

_AMAZONS = re.compile(r"[+?~-]?[a-z]+[:=](?:https?://|[@.])*amazonses\.com[^a-z0-9]*", re.IGNORECASE)
_NOT_CHECKED = "We haven't checked {name} yet, so we can't suggest a value that keeps what is published there."
_LOOKUP_FAILED = "We couldn't look up the DMARC policy of {name}, so we can't suggest a record that keeps it."


@dataclass(frozen=True)
class PublishedPolicies:
    """The last known DNS content by name. A missing name was never looked up successfully.

    `spf` has the SPF lines at the names that need SES, `inside` those behind includes. Other SPF terms (name, type) are
    in `absent` if they resolve to nothing and in `present` if they resolve. `dmarc` has the DMARC records of the domain
    and its parents. `is_there` is False if the domain's name does not exist, so that `np=` applies to it.
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
        """Return this with newer lookups. What they could not tell stays unchanged."""
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
    """The `value` to publish; "" if none is offered, for the reason in `withheld`."""

    value: str
    withheld: str = ""


def dmarc_name(name: str) -> str:
    return f"_dmarc.{name}"


def names_above(domain: DomainName) -> tuple[str, ...]:
    """Return the domains whose DMARC record may apply, nearest first: by the tree walk (RFC 9989 4.10) and RFC 7489."""
    labels = domain.ascii.split(".")
    walked = [".".join(labels[at:]) for at in range(max(1, len(labels) - 7), len(labels))]
    both = walked if domain.zone in (*walked, domain.ascii) else [domain.zone, *walked]
    return tuple(sorted(both, key=lambda name: -name.count(".")))


def dmarc_questions(domain: DomainName) -> tuple[str, ...]:
    return tuple(map(dmarc_name, (domain.ascii, *names_above(domain))))


def dmarc_lines(values: Iterable[str]) -> tuple[str, ...]:
    """Return the values that are, or were meant to be, DMARC records."""
    return tuple(v for v in values if dmarc_core.is_dmarc(v) or dmarc_core.resembles_dmarc(v))


def inherited_policy(domain: DomainName, policies: PublishedPolicies) -> AppliedPolicy | None:
    """Return the policy that applies while the domain has no usable record of its own, None if none does.

    Where RFC 9989 and RFC 7489 differ, the stricter one is returned. Raises ValueError if a lookup failed.
    """
    above = [(name, policies.dmarc.get(dmarc_name(name))) for name in names_above(domain)]
    exists = policies.is_there
    organization = [(name, lines) for name, lines in above if name == domain.zone]
    by_zone = dmarc_core.find_policy((), organization, exists=exists)
    try:
        walked = dmarc_core.find_policy((), above, exists=exists)
    except ValueError:
        if by_zone is None:
            raise
        walked = (
            None  # the organization's record is known, and records above it do not count, except those of registries
        )
    found = [policy for policy in (walked, by_zone) if policy]
    return max(found, key=lambda each: dmarc_core.POLICIES.index(each.policy), default=None)


def applied_policy(domain: DomainName, policies: PublishedPolicies) -> AppliedPolicy | None:
    """Return the policy that receivers apply, own or inherited. Raises ValueError if a lookup failed."""
    name = dmarc_name(domain.ascii)
    own = policies.dmarc.get(name)
    if own is None:
        raise ValueError("the lookup of the domain's own policy failed")
    line = dmarc_core.usable_record(own)
    return (
        AppliedPolicy(dmarc_core.parse(line).policy, domain.ascii, line) if line else inherited_policy(domain, policies)
    )


def offered_dmarc(domain: DomainName, reports_to: str, policies: PublishedPolicies) -> PolicyOffer:
    own = policies.dmarc.get(dmarc_name(domain.ascii))
    if own is None:
        return PolicyOffer("", _NOT_CHECKED.format(name=dmarc_name(domain.ascii)))
    if line := dmarc_core.usable_record(own):
        read = dmarc_core.parse(line)
        is_whole = not read.problems and (not reports_to or reports_to.lower() in read.reports)
        return PolicyOffer(line if is_whole else dmarc_core.repair(line, reports_to))
    try:
        above = inherited_policy(domain, policies)
    except ValueError:
        return PolicyOffer("", _LOOKUP_FAILED.format(name=domain.ascii))
    if own:
        return PolicyOffer(
            dmarc_core.repair(own[0] if len(own) == 1 else dmarc_core.mildest_of(own), reports_to, above)
        )
    return PolicyOffer(
        dmarc_core.copy_inherited(above, reports_to) if above else dmarc_core.monitoring_record(reports_to)
    )


def offered_spf(name: str, policies: PublishedPolicies, *, is_apex: bool) -> PolicyOffer:
    """At the apex nothing is offered before a lookup succeeded. A new MAIL FROM name has nothing to keep.

    The MAIL FROM name is ours alone: where its records can't be merged, the plain value replaces them. At the apex, it
    replaces our own record if only its end is damaged.
    """
    lines = policies.spf.get(name)
    if lines is None:
        return PolicyOffer("", _NOT_CHECKED.format(name=name)) if is_apex else PolicyOffer(merger.DEFAULT_RECORD)
    kept = tuple(line for line in lines if not _is_our_damaged_record(line, is_apex=is_apex))
    names = policies.names
    found = merger.merge_records(kept, names) if len(kept) > 1 else merger.add_include("".join(kept), names)
    return PolicyOffer(found.value, found.withheld) if found.value or is_apex else PolicyOffer(merger.DEFAULT_RECORD)


def _is_our_damaged_record(line: str, *, is_apex: bool) -> bool:
    """Return True if it is our own value with a mistake. It can be replaced, since it authorises nobody else.

    At the apex, a broken term before the last one may be meant for another sender.
    """
    read = grammar.parse(line)
    is_ours = [term.is_all or bool(_AMAZONS.fullmatch(term.text)) for term in read.terms]
    is_close = difference(merger.DEFAULT_RECORD, line) != DIFFERS
    return bool(read.problems) and (is_close and all(is_ours[:-1]) if is_apex else is_close or all(is_ours))
