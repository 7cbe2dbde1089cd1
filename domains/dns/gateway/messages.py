"""Converts packets to Answers with dnspython. Whatever the packet contains, the result is an answer or a failed one."""

from collections.abc import Sequence
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.nsbase import NSBase

from domains.dns.core import ANSWERED, Answer, LookupStatus, Question
from inbound_admin.lib.foreign_text import escaped

MOST_CHARACTERS = 32_768  # of all values in one answer; no mail setup needs more


def parse_answer(question: Question, resolver: str, packet: bytes) -> Answer:
    try:
        found = _parse_answers(question, resolver, packet) if packet[3] & 0x0F == 0 and packet[6:8] != b"\0\0" else None
        return found or _parse_message(question, resolver, dns.message.from_wire(packet, ignore_trailing=True))
    except Exception as problem:  # noqa: BLE001 - any parser error on an untrusted packet is a failed lookup
        return failed_answer(question, resolver, f"the answer makes no sense: {type(problem).__name__}")


def _parse_answers(question: Question, resolver: str, packet: bytes) -> Answer | None:
    """Parse the answer section alone, since nameservers add other sections. None if that section is not enough."""
    answers_alone = packet[:8] + b"\0\0\0\0" + packet[12:]
    answer = _parse_message(question, resolver, dns.message.from_wire(answers_alone, ignore_trailing=True))
    return answer if answer.status is LookupStatus.FOUND else None


def _parse_message(question: Question, resolver: str, message: dns.message.Message) -> Answer:
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return failed_answer(question, resolver, _error_text(message))
    if not isinstance(message, dns.message.QueryMessage) or message.flags & dns.flags.TC:
        return failed_answer(question, resolver, "the answer is not complete")
    chain = message.resolve_chaining()
    if chain.answer is None:
        return _absent(question, resolver, message, chain)
    values = _values(tuple(chain.answer))
    if sum(map(len, values)) > MOST_CHARACTERS:
        return failed_answer(question, resolver, "the answer is too long to be read")
    proven = bool(message.flags & dns.flags.AA)
    return Answer(
        question,
        resolver,
        LookupStatus.FOUND,
        values,
        chain.minimum_ttl,
        aliases=_aliases(chain),
        authoritative=proven,
        dname=_dname(message),
    )


def _absent(
    question: Question, resolver: str, message: dns.message.QueryMessage, chain: dns.message.ChainingResult
) -> Answer:
    """Apply RFC 2308. A referral or an alias that was not followed does not prove absence."""
    types = {rrset.rdtype for rrset in message.authority}
    says_so = dns.rdatatype.SOA in types
    aliases, proven = _aliases(chain), bool(message.flags & dns.flags.AA)
    ttl = chain.minimum_ttl if says_so else None
    dname = _dname(message)
    if message.rcode() == dns.rcode.NXDOMAIN:
        return Answer(question, resolver, LookupStatus.NO_NAME, (), ttl, "", aliases, proven, dname=dname)
    if not says_so and (chain.cnames or dns.rdatatype.NS in types):
        cut, servers = _referral(message)
        why = "the resolver pointed elsewhere instead of answering"
        return Answer(question, resolver, LookupStatus.FAILED, (), None, why, aliases, proven, cut, servers, dname)
    return Answer(question, resolver, LookupStatus.NO_DATA, (), ttl, "", aliases, proven, dname=dname)


def _dname(message: dns.message.Message) -> str:
    """Return the first DNAME owner on the way: all names below it are redirected."""
    return next((_host(rrset.name) for rrset in message.answer if rrset.rdtype == dns.rdatatype.DNAME), "")


def _aliases(chain: dns.message.ChainingResult) -> tuple[str, ...]:
    return tuple(_host(rrset[0].target) for rrset in chain.cnames)


def _referral(message: dns.message.Message) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the zone cut and its servers, each with its glue address: IPv4 if there is one."""
    cuts = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS]
    if not cuts:
        return "", ()
    glue = {
        _host(rrset.name): rrset[0].to_text()
        for kind in (dns.rdatatype.AAAA, dns.rdatatype.A)
        for rrset in message.additional
        if rrset.rdtype == kind and rrset
    }
    names = sorted(_host(rdata.target) for rdata in cuts[0])
    return _host(cuts[0].name), tuple((name, glue.get(name, "")) for name in names)


def _values(rrset: tuple[dns.rdata.Rdata, ...]) -> tuple[str, ...]:
    """Sorted, since servers rotate the order; MX by preference."""
    if isinstance(rrset[0], MX):
        servers = sorted((rdata.preference, _host(rdata.exchange)) for rdata in cast("Sequence[MX]", rrset))
        return tuple(f"{preference} {host}" for preference, host in servers)
    return tuple(sorted(_value(rdata) for rdata in rrset))


def _value(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, TXT):
        return escaped(b"".join(rdata.strings).decode("utf-8", "replace"))
    if isinstance(rdata, NSBase):
        return _host(rdata.target)
    return rdata.to_text()


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _error_text(message: dns.message.Message) -> str:
    """Describe SERVFAIL and similar codes, with the resolver's own reason if it gives one (RFC 8914)."""
    reasons = [" ".join(filter(None, (error.code.name, error.text))) for error in message.extended_errors()]
    return ": ".join([f"{ANSWERED} {dns.rcode.to_text(message.rcode())}", *reasons])[:200]


def failed_answer(question: Question, resolver: str, error: str) -> Answer:
    return Answer(question, resolver, LookupStatus.FAILED, error=escaped(error))
