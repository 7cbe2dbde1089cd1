"""For any DNS content, each offered value compares as correct, is valid, and removes no sender or policy."""

import ipaddress
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.checking.core.comparison import Verdict, compare
from domains.dmarc import core as dmarc_core
from domains.dns.core import Answer, LookupStatus, question_for
from domains.exports.core.formats import FORMATS, export
from domains.exports.core.values import entries
from domains.names.core import DomainName
from domains.policies import core
from domains.policies.core import PublishedPolicies
from domains.records.core import SPF_KEYS, IdentityFacts, Record, records_for
from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import SpfNames, broken_includes, count_lookups, first_unresolved
from tests.domains.dns_host import facts_of

EXAMPLES = int(os.environ.get("POLICY_EXAMPLES", "200"))
SOAK = "2000"
SHOP = DomainName.from_stored("shop.example.co.uk")
INSIDE = {
    "good.net": ("v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 -all",),
    "ones.net": ("v=spf1 include:good.net a:host.net ~all",),
    "big.net": (" ".join(["v=spf1", *(f"a:h{number}.net" for number in range(9)), "-all"]),),
    "none.net": (),
    "two.net": ("v=spf1 -all", "v=spf1 mx -all"),
    "circle.net": ("v=spf1 include:circle.net -all",),
    "neutral.net": ("v=spf1 -ip4:192.0.2.3 ?all",),
}
PRESENT = frozenset({("host.net", "A"), *((f"h{number}.net", "A") for number in range(9))})
ADDRESSES = [ipaddress.ip_address(f"192.0.2.{number}") for number in range(1, 9)]
HOSTS = {"host.net": {"192.0.2.5"}, "": {"192.0.2.6"}, "mx": {"192.0.2.7"}}
TERMS = st.sampled_from(
    [
        *("ip4:192.0.2.1", "ip4:192.0.2.2/31", "-ip4:192.0.2.2", "~ip4:192.0.2.4", "?ip4:192.0.2.5", "a", "mx"),
        *(
            "a:host.net",
            "-a:host.net",
            "include:good.net",
            "include:ones.net",
            "-include:good.net",
            "redirect=good.net",
        ),
        *(
            "redirect=good.net",
            "redirect=ones.net",
            "include:amazonses.com",
            "-include:amazonses.com",
            "include:neutral.net",
            "include=good.net",
            "include=amazonses.com",
            "exp=why.net",
        ),
        *("include:big.net", "include:none.net", "include:two.net", "include:circle.net", "include:unknown.net"),
        *("ip4:300.1.1.1", "a:", "mx,a", "include:amazonses.co", "exists:%{i}.x.net"),
    ]
)
LINE = st.builds(
    lambda terms, ending: " ".join(filter(None, ["v=spf1", *terms, ending])),
    st.lists(TERMS, max_size=5),
    st.sampled_from(["", "-all", "~all", "?all", "+all", "all"]),
)
DMARC = st.sampled_from(
    [
        *("v=DMARC1; p=none", "v=DMARC1; p=quarantine", "v=DMARC1; p=reject", "v=DMARC1; p=reject; sp=none"),
        *("v=DMARC1; p=none; sp=reject", "v=DMARC1; p=none; sp=none; np=reject", "v=DMARC1; p=reject; psd=n"),
        *("v=DMARC1; p=quarantine; psd=y", "v=dmarc1; p=reject", "v=DMARC1; p=rejct", "v=DMARC1; adkim=s; p=reject"),
        *(
            "v=DMARC1; p=reject; aspf=s; rua=mailto:x@other.net",
            "v=DMARC1\\; p=reject",
            "v=DMARC1; p=none; rua=x@y.net",
        ),
    ]
)
PUBLISHED = st.builds(
    lambda apex, bounces, dmarc, is_there: PublishedPolicies(
        spf={SHOP.ascii: tuple(apex), f"bounce.{SHOP.ascii}": tuple(bounces)},
        inside=INSIDE,
        present=PRESENT,
        dmarc={f"_dmarc.{name}": tuple(lines) for name, lines in dmarc.items() if lines is not None},
        is_there=is_there,
    ),
    st.lists(LINE, max_size=3),
    st.lists(LINE, max_size=2),
    st.fixed_dictionaries(
        {name: st.none() | st.lists(DMARC, max_size=2) for name in (SHOP.ascii, *core.names_above(SHOP))}
    ),
    st.booleans(),
)


def passes(line: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, depth: int = 0) -> bool:
    """Evaluate RFC 7208's check_host for these names: whether the record authorises the address."""
    redirect = ""
    for term in grammar.parse(line).terms:
        if term.is_redirect:
            redirect = term.domain
        if not term.is_modifier and _matches(term, address, depth):
            return term.qualifier == "+"
    return bool(redirect) and _leads(redirect, address, depth)


def _matches(term: grammar.Term, address: ipaddress.IPv4Address | ipaddress.IPv6Address, depth: int) -> bool:
    if term.name == "ip4":
        return address in ipaddress.ip_network(term.argument, strict=False)
    if term.name == "include":
        return _leads(term.domain, address, depth)
    return term.is_all or str(address) in HOSTS.get("mx" if term.name == "mx" else term.domain, set())


def _leads(name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, depth: int) -> bool:
    if name == grammar.AMAZON:
        return str(address) == "192.0.2.8"
    lines = INSIDE.get(name, ())
    return len(lines) == 1 and depth < 10 and passes(lines[0], address, depth + 1)


def senders(lines: tuple[str, ...]) -> set[str]:
    """Return the addresses that one of the valid lines authorises."""
    sound = [line for line in lines if not grammar.parse(line).problems]
    return {str(address) for line in sound for address in ADDRESSES if passes(line, address)}


def names_of(policies: PublishedPolicies) -> SpfNames:
    return policies.names


def check_spf(record: Record, policies: PublishedPolicies) -> None:
    before = policies.spf[record.name]
    assert grammar.parse(record.value).problems == ()
    assert broken_includes(record.value, names_of(policies)) == ()
    assert not count_lookups(record.value, names_of(policies)).too_many
    assert grammar.authorises(record.value)
    assert record.value in before or not first_unresolved(record.value, names_of(policies))
    if record.key == "mail-from-spf" and record.value == merger.DEFAULT_RECORD and not can_be_merged(before, policies):
        return  # the name is ours alone, so the plain value replaces what can't be kept
    assert senders(before) | {"192.0.2.8"} <= senders((record.value,)), (before, record.value)


def can_be_merged(lines: tuple[str, ...], policies: PublishedPolicies) -> bool:
    names = policies.names
    found = merger.merge_records(lines, names) if len(lines) > 1 else merger.add_include("".join(lines), names=names)
    return not found.withheld


def check_dmarc(record: Record, facts: IdentityFacts) -> None:
    offered = dmarc_core.parse(record.value)
    assert (offered.problems, offered.is_used) == ((), True)
    before = core.applied_policy(facts.domain, facts.policies)
    if before is None:
        return
    assert not dmarc_core.is_weaker(offered.policy, before.policy)
    was = dmarc_core.parse(before.text).tags
    strict = [tag for tag in ("adkim", "aspf") if was.get(tag, "r") == "s"]
    assert all(offered.tags.get(tag) == "s" for tag in strict)


def facts_with(policies: PublishedPolicies, reports_to: str) -> IdentityFacts:
    facts = facts_of(SHOP.ascii, wants_apex_spf=True, dmarc_reports_to=reports_to)
    return replace(facts, policies=policies)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(PUBLISHED, st.sampled_from(["", "us@shop.example.co.uk"]))
def test_each_offered_value_is_correct_valid_and_removes_nothing(policies: PublishedPolicies, reports_to: str) -> None:
    facts = facts_with(policies, reports_to)
    records = records_for(facts)
    for record in records:
        assert bool(record.value) != bool(record.withheld)
        if not record.value:
            continue
        value = record.value if record.priority is None else f"{record.priority} {record.value}"
        answer = Answer(question_for(record), "ns", LookupStatus.FOUND, (value,))
        assert compare(record, answer, names=policies.names).verdict is Verdict.CORRECT, (record, policies)
        if record.key in SPF_KEYS:
            check_spf(record, policies)
        if record.key == "dmarc":
            check_dmarc(record, facts)
    check_exports(records)


def check_exports(records: tuple[Record, ...]) -> None:
    """Check that each format has the offered values and nothing withheld; `export` reads back what it wrote."""
    wanted = entries(records)
    assert {entry.value for entry in wanted} == {record.value for record in records if record.value}
    for kind in FORMATS:
        assert export(wanted, kind, SHOP.zone).text


@pytest.mark.soak
def test_two_thousand_dns_states_hold_the_same() -> None:
    changed: Mapping[str, str] = {**os.environ, "POLICY_EXAMPLES": SOAK}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not soak", "-p", "no:cacheprovider", __file__],
        env=dict(changed),
        check=False,
    )
    assert done.returncode == 0
