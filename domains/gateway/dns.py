"""DNS over the wire: many questions to several resolvers at once. Every outcome is an Answer, never an exception.

One UDP socket a resolver carries all questions, and packets are told apart by id and question. An answer counts only if
it comes from the resolver's own address (the socket is connected), bears the random id of a question that waits, and
repeats that question. We build queries and sort packets ourselves; reading an answer is left to dnspython.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_DGRAM
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.nsbase import NSBase

from domains.core.observing import Answer, Question, Status
from inbound_admin.lib.dns_address import parse_resolver

# Used where the system names no resolver. Two operators, so that one at fault does not decide alone.
FALLBACK_RESOLVERS = ("1.1.1.1:53", "8.8.8.8:53")

MOST_CHARACTERS = 32_768  # of all values in one answer; who publishes more is not somebody's mail set-up
_UDP_PAYLOAD = 1232  # what passes every path unfragmented (DNS flag day 2020)
_HEADER = b"\x01\x00" + b"\x00\x01" + b"\x00\x00" * 2 + b"\x00\x01"  # recursion desired; one question, one OPT
_OPT = b"\x00" + b"\x00\x29" + _UDP_PAYLOAD.to_bytes(2) + b"\x00" * 6  # EDNS 0 (RFC 6891), no DNSSEC records wanted
_TRUNCATED = 0x02


@dataclass(frozen=True)
class _Limits:
    timeout: float
    tries: int
    at_once: int


@dataclass(frozen=True)
class _Query:
    """`question` is the name in wire form with type and class; `rest` all that follows the id."""

    question: bytes
    rest: bytes

    def is_answered_by(self, packet: bytes) -> bool:
        """Whether a packet (its id already compared) answers this question; an error may leave the question out."""
        if len(packet) < 12 or packet[2] & 0xF8 != 0x80:
            return False
        asked, end = packet[4:6], 12 + len(self.question)
        if asked == b"\x00\x00":
            return packet[3] & 0x0F != 0
        echoed = packet[12:end]
        return asked == b"\x00\x01" and echoed[-4:] == self.question[-4:] and echoed.lower() == self.question.lower()


def look_up(
    questions: Sequence[Question],
    resolvers: Sequence[str],
    *,
    timeout: float = 3.0,
    tries: int = 2,
    at_once: int = 50,
) -> dict[tuple[Question, str], Answer]:
    """`ask` for code that is not async. RuntimeError inside of a running event loop: use `ask` there."""
    return asyncio.run(ask(questions, resolvers, timeout=timeout, tries=tries, at_once=at_once))


async def ask(
    questions: Sequence[Question],
    resolvers: Sequence[str],
    *,
    timeout: float = 3.0,
    tries: int = 2,
    at_once: int = 50,
) -> dict[tuple[Question, str], Answer]:
    """Every question to every resolver ("host:port", "[IPv6]:port"; port 53 may be left out).

    `timeout` in seconds for each of the `tries` of a question; `at_once` questions are on their way to one resolver.
    Silence is asked again, another failure is not. A resolver that was silent on its first `at_once` questions and has
    never answered is not asked the others.
    """
    limits = _Limits(timeout, max(tries, 1), max(at_once, 1))
    wanted = tuple(dict.fromkeys(questions))
    asked = [_ask_resolver(wanted, resolver, limits) for resolver in dict.fromkeys(resolvers)]
    return {
        (answer.question, answer.resolver): answer for answers in await asyncio.gather(*asked) for answer in answers
    }


def system_resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """The system's resolvers as "host:port", or FALLBACK_RESOLVERS where it names none."""
    try:
        text = resolv_conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return FALLBACK_RESOLVERS
    hosts = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
    return tuple(f"[{host}]:53" if ":" in host else f"{host}:53" for host in hosts) or FALLBACK_RESOLVERS


async def _ask_resolver(questions: Sequence[Question], resolver: str, limits: _Limits) -> list[Answer]:
    try:
        channel = await _open(*parse_resolver(resolver))
    except (OSError, UnicodeError, ValueError) as problem:
        return [_failed(question, resolver, f"the resolver cannot be reached: {problem}") for question in questions]
    try:
        answers: list[Answer] = []
        left = iter(questions)
        askers = range(min(limits.at_once, len(questions)))
        await asyncio.gather(*(_ask_what_is_left(left, resolver, channel, limits, answers) for _ in askers))
        return answers
    finally:
        channel.close()


async def _open(host: str, port: int) -> "_Channel":
    """Raises OSError, UnicodeError. A number needs no look-up, and so no thread."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    except socket.gaierror:
        family, kind, *_, address = (await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_DGRAM))[0]
    connected = socket.socket(family, kind)
    try:
        connected.setblocking(False)
        connected.connect(address)
    except OSError:
        connected.close()
        raise
    return _Channel(connected, host, port)


async def _ask_what_is_left(
    left: Iterator[Question], resolver: str, channel: "_Channel", limits: _Limits, answers: list[Answer]
) -> None:
    """One of several that share the iterator, so that at most so many questions are on their way."""
    for question in left:
        if not channel.heard and channel.silences >= limits.at_once * limits.tries:
            answers.append(_failed(question, resolver, "the resolver does not answer"))
        else:
            answers.append(await _answer(question, resolver, channel, limits))


async def _answer(question: Question, resolver: str, channel: "_Channel", limits: _Limits) -> Answer:
    try:
        query = _query(question)
    except (dns.exception.DNSException, ValueError) as problem:
        return _failed(question, resolver, f"DNS has no such question: {problem}")
    reply: bytes | str = ""
    for _ in range(limits.tries):
        reply = await channel.exchange(query, limits.timeout)
        if isinstance(reply, bytes) and reply[2] & _TRUNCATED:
            reply = await _over_tcp(channel.host, channel.port, query, limits.timeout)
        if isinstance(reply, bytes):
            return _read(question, resolver, reply)
    return _failed(question, resolver, str(reply))


class _Channel:
    """The socket to one resolver. A reply is the packet, or why there is none.

    A plain socket, since a transport of asyncio reads one packet a wake and this one reads all that are there.
    """

    def __init__(self, connected: socket.socket, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.heard = False
        self.silences = 0
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[_Query, asyncio.Future[bytes | str]]] = {}
        self._loop.add_reader(connected, self._read_all)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def exchange(self, query: _Query, timeout: float) -> bytes | str:
        number = self._free_id()
        reply: asyncio.Future[bytes | str] = self._loop.create_future()
        self._waiting[number] = query, reply
        timer = self._loop.call_later(timeout, self._fall_silent, reply, timeout)
        try:
            self._socket.send(number.to_bytes(2) + query.rest)
            return await reply
        except OSError as problem:
            return f"the resolver cannot be reached: {problem}"
        finally:
            timer.cancel()
            del self._waiting[number]

    def _read_all(self) -> None:
        try:
            while True:
                self._take(self._socket.recv(65535))
        except BlockingIOError:
            return
        except OSError as problem:
            # The system says that packets do not arrive, without saying which.
            self._fail_all(f"the resolver cannot be reached: {problem}")

    def _take(self, packet: bytes) -> None:
        query, reply = self._waiting.get(int.from_bytes(packet[:2]), (None, None))
        if query and reply and not reply.done() and query.is_answered_by(packet):
            self.heard = True
            reply.set_result(packet)

    def _free_id(self) -> int:
        while (number := secrets.randbits(16)) in self._waiting:
            pass
        return number

    def _fall_silent(self, reply: asyncio.Future[bytes | str], after: float) -> None:
        if not reply.done():
            self.silences += 1
            reply.set_result(f"no answer within {after:g} seconds")

    def _fail_all(self, why: str) -> None:
        for _, reply in self._waiting.values():
            if not reply.done():
                reply.set_result(why)


async def _over_tcp(host: str, port: int, query: _Query, timeout: float) -> bytes | str:
    """For an answer that did not fit into a datagram (RFC 7766)."""
    number = secrets.randbits(16).to_bytes(2)
    message = number + query.rest
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(len(message).to_bytes(2) + message)
                packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer over TCP within {timeout:g} seconds"
    except (OSError, EOFError) as problem:
        return f"the answer was too long for UDP and failed over TCP: {problem}"
    return packet if packet[:2] == number and query.is_answered_by(packet) else "the answer was to another question"


def _query(question: Question) -> _Query:
    """ValueError or DNSException for what DNS cannot be asked."""
    if not question.name.isascii():
        raise ValueError("a name must be in ASCII")
    name = dns.name.from_text(question.name).to_wire()
    asked = cast("bytes", name) + dns.rdatatype.from_text(question.type).to_bytes(2) + b"\x00\x01"
    return _Query(asked, _HEADER + asked + _OPT)


def _read(question: Question, resolver: str, packet: bytes) -> Answer:
    try:
        message = dns.message.from_wire(packet, ignore_trailing=True)
        return _understand(question, resolver, message)
    except Exception as problem:  # noqa: BLE001 - whatever a stranger's packet does to the parser, it is a failed look-up
        return _failed(question, resolver, f"the answer makes no sense: {type(problem).__name__}")


def _understand(question: Question, resolver: str, message: dns.message.Message) -> Answer:
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _failed(question, resolver, _complaint(message))
    if not isinstance(message, dns.message.QueryMessage) or message.flags & dns.flags.TC:
        return _failed(question, resolver, "the answer is not complete")
    chain = message.resolve_chaining()
    if chain.answer is None:
        return _absent(question, resolver, message, chain)
    values = _values(tuple(chain.answer))
    if sum(map(len, values)) > MOST_CHARACTERS:
        return _failed(question, resolver, "the answer is too long to be read")
    return Answer(question, resolver, Status.FOUND, values, chain.minimum_ttl)


def _absent(
    question: Question, resolver: str, message: dns.message.QueryMessage, chain: dns.message.ChainingResult
) -> Answer:
    """RFC 2308. What points elsewhere (a referral, an alias not followed) is no proof of absence."""
    types = {rrset.rdtype for rrset in message.authority}
    says_so = dns.rdatatype.SOA in types
    if message.rcode() == dns.rcode.NXDOMAIN:
        return Answer(question, resolver, Status.NO_NAME, ttl=chain.minimum_ttl if says_so else None)
    if not says_so and (chain.cnames or dns.rdatatype.NS in types):
        return _failed(question, resolver, "the resolver pointed elsewhere instead of answering")
    return Answer(question, resolver, Status.NO_DATA, ttl=chain.minimum_ttl if says_so else None)


def _values(rrset: tuple[dns.rdata.Rdata, ...]) -> tuple[str, ...]:
    """Sorted, since servers turn the order round; MX by preference."""
    if isinstance(rrset[0], MX):
        servers = sorted((rdata.preference, _host(rdata.exchange)) for rdata in cast("Sequence[MX]", rrset))
        return tuple(f"{preference} {host}" for preference, host in servers)
    return tuple(sorted(_value(rdata) for rdata in rrset))


def _value(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings).decode("utf-8", "replace")
    if isinstance(rdata, NSBase):
        return _host(rdata.target)
    return rdata.to_text()


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _complaint(message: dns.message.Message) -> str:
    """SERVFAIL and its kin, with the resolver's own reason where it gives one (RFC 8914)."""
    reasons = [" ".join(filter(None, (error.code.name, error.text))) for error in message.extended_errors()]
    return ": ".join([f"the resolver answered {dns.rcode.to_text(message.rcode())}", *reasons])[:200]


def _failed(question: Question, resolver: str, error: str) -> Answer:
    return Answer(question, resolver, Status.FAILED, error=error)
