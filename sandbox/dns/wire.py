"""Turns a query packet into a response packet: parsing, EDNS, truncation, and a cache of rendered answers.

The cache key is the whole query except its ID (flags and EDNS included). It is emptied when the store changes. Parsing
and rendering take far longer than the lookup.
"""

import struct
from collections import Counter
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import structlog

from sandbox.dns.records import absolute, rdata_of, text_of_name
from sandbox.dns.resolve import Answer, RecordSet, ask, resolve
from sandbox.dns.zones import ZoneStore

UDP_PAYLOAD: Final = 1232
PLAIN_PAYLOAD: Final = 512
TCP_PAYLOAD: Final = 65535
CACHE_LIMIT: Final = 50_000
_HEADER: Final = struct.Struct("!HHHHHH")
_TRANSFERS: Final = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
Question = tuple[str, str]

log = structlog.get_logger(__name__)


class QueryCount:
    """Counts queries by (name, type), retries included. Beyond `limit` different ones, new ones only count in total."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Delete all counts."""
        self.total = 0
        self.by_question: Counter[Question] = Counter()

    def __getitem__(self, question: Question) -> int:
        return self.by_question[question]

    def count(self, question: Question) -> None:
        """Count one query."""
        self.total += 1
        if question in self.by_question or len(self.by_question) < self._limit:
            self.by_question[question] += 1


class Responder:
    """Answers packets. For one thread only."""

    def __init__(self, store: ZoneStore) -> None:
        self.queries = QueryCount()
        self._store = store
        self._version = -1
        self._kept: dict[tuple[str | None, bool, bytes], tuple[Question, bytes]] = {}

    def respond(self, packet: bytes, *, nameserver: str | None = None, tcp: bool = False) -> bytes | None:
        """Return the answer to a packet; None for no answer. Never raises."""
        try:
            return self._respond(packet, nameserver, tcp)
        except Exception:
            # Whatever a stranger sends, the server stays up and says that it failed.
            log.exception("a DNS query could not be answered", size=len(packet))
            return _bare(packet, dns.rcode.SERVFAIL)

    def _respond(self, packet: bytes, nameserver: str | None, tcp: bool) -> bytes | None:
        if self._version != (version := self._store.version) or len(self._kept) > CACHE_LIMIT:
            self._kept.clear()
            self._version = version
        key = (nameserver, tcp, packet[2:])
        if (kept := self._kept.get(key)) is None:
            fresh = self._fresh(packet, nameserver, tcp)
            if isinstance(fresh, bytes) or fresh is None:
                return fresh
            kept = fresh
            if len(packet) <= PLAIN_PAYLOAD:
                self._kept[key] = kept
        question, body = kept
        self.queries.count(question)
        return packet[:2] + body if body else None

    def _fresh(self, packet: bytes, nameserver: str | None, tcp: bool) -> tuple[Question, bytes] | bytes | None:
        try:
            query = dns.message.from_wire(packet)
        except (dns.exception.DNSException, ValueError, struct.error):
            return _bare(packet, dns.rcode.FORMERR)
        if query.flags & dns.flags.QR:
            return None
        if query.opcode() != dns.opcode.QUERY:
            return _bare(packet, dns.rcode.NOTIMP)
        if len(query.question) != 1:
            return _bare(packet, dns.rcode.FORMERR)
        asked = query.question[0]
        question = (text_of_name(asked.name), dns.rdatatype.to_text(asked.rdtype))
        answer = self._answer(query, question, nameserver)
        limit = TCP_PAYLOAD if tcp else _payload(query)
        body = b"" if answer.silent else _render(query, answer, limit, recursive=nameserver is None)[2:]
        return question, body

    def _answer(self, query: dns.message.Message, question: Question, nameserver: str | None) -> Answer:
        asked = query.question[0]
        if query.edns > 0:
            return Answer(dns.rcode.BADVERS)
        if asked.rdclass != dns.rdataclass.IN or asked.rdtype in _TRANSFERS:
            return Answer(dns.rcode.REFUSED)
        if nameserver is not None:
            return ask(self._store, nameserver, *question)
        return resolve(self._store, *question, checking_disabled=bool(query.flags & dns.flags.CD))


def _payload(query: dns.message.Message) -> int:
    return min(UDP_PAYLOAD, max(PLAIN_PAYLOAD, query.payload)) if query.edns >= 0 else PLAIN_PAYLOAD


def _render(query: dns.message.Message, answer: Answer, limit: int, *, recursive: bool) -> bytes:
    response = dns.message.make_response(query, recursion_available=recursive, our_payload=UDP_PAYLOAD)
    response.set_rcode(answer.rcode)
    if answer.authoritative:
        response.flags |= dns.flags.AA
    asked = query.question[0].name
    response.answer = [_rrset(it, asked) for it in answer.answer]
    response.authority = [_rrset(it, asked) for it in answer.authority]
    response.additional = [_rrset(it, asked) for it in answer.additional]
    return response.to_wire(max_size=limit, prefer_truncation=True)


def _rrset(held: RecordSet, asked: dns.name.Name) -> dns.rrset.RRset:
    # The asker's upper and lower case comes back to it (0x20), as from any server.
    owner = absolute(held.owner)
    ttl = min(record.ttl for record in held.records)
    rdatas = [rdata_of(record.type, record.value) for record in held.records]
    return dns.rrset.from_rdata_list(asked if asked == owner else owner, ttl, rdatas)


def _bare(packet: bytes, rcode: dns.rcode.Rcode) -> bytes | None:
    """Return a header alone for an unreadable query; None if it is no query (RFC 1035 4.1.1)."""
    if len(packet) < _HEADER.size:
        return None
    number, flags, *_ = _HEADER.unpack_from(packet)
    if flags & dns.flags.QR:
        return None
    kept = flags & (0x7800 | dns.flags.RD)
    return _HEADER.pack(number, dns.flags.QR | kept | rcode, 0, 0, 0, 0)
