"""The socket to one server, and the packets on it. This module builds queries and matches replies itself."""

import asyncio
import secrets
import socket
from dataclasses import dataclass
from socket import SOCK_DGRAM
from typing import cast

import dns.name
import dns.rdatatype

from domains.dns.core import Query

_UDP_PAYLOAD = 1232  # what passes every path unfragmented (DNS flag day 2020)
_ONE_QUESTION = b"\x00\x01" + b"\x00\x00" * 2 + b"\x00\x01"  # one question, one OPT
_OPT = b"\x00" + b"\x00\x29" + _UDP_PAYLOAD.to_bytes(2) + b"\x00" * 6  # EDNS 0 (RFC 6891), no DNSSEC records wanted
_RECURSION_DESIRED, _CHECKING_DISABLED = 0x0100, 0x0010
_TRUNCATED = 0x02


@dataclass(frozen=True)
class Packet:
    """`question` is the name in wire format with type and class. `rest` is everything after the id."""

    question: bytes
    rest: bytes

    def is_answered_by(self, packet: bytes) -> bool:
        """Return True if a packet, whose id already matches, answers this question. An error may omit the question."""
        if len(packet) < 12 or packet[2] & 0xF8 != 0x80:
            return False
        count, end = packet[4:6], 12 + len(self.question)
        if count == b"\x00\x00":
            return packet[3] & 0x0F != 0
        echoed = packet[12:end]
        return count == b"\x00\x01" and echoed[-4:] == self.question[-4:] and echoed.lower() == self.question.lower()


async def open_channel(host: str, port: int) -> "Channel":
    """Open a socket to one server. Raises OSError, UnicodeError. An IP address needs no lookup, and so no thread."""
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
    return Channel(connected, host, port)


class Channel:
    """The socket to one resolver. `exchange` returns the reply packet, or the reason why there is none.

    It is a plain socket: an asyncio transport reads one packet per wake-up, and this reads all that have arrived.
    """

    def __init__(self, connected: socket.socket, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.has_answered = False
        self.timeouts = 0
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[Packet, asyncio.Future[bytes | str]]] = {}
        self._loop.add_reader(connected, self._read_all)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def exchange(self, query: Packet, timeout: float) -> bytes | str:
        number = self._free_id()
        reply: asyncio.Future[bytes | str] = self._loop.create_future()
        self._waiting[number] = query, reply
        timer = self._loop.call_later(timeout, self._time_out, reply, timeout)
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
            # The system reports that packets do not arrive, but not which ones.
            self._fail_all(f"the resolver cannot be reached: {problem}")

    def _take(self, packet: bytes) -> None:
        query, reply = self._waiting.get(int.from_bytes(packet[:2]), (None, None))
        if query and reply and not reply.done() and query.is_answered_by(packet):
            self.has_answered = True
            reply.set_result(packet)

    def _free_id(self) -> int:
        while (number := secrets.randbits(16)) in self._waiting:
            pass
        return number

    def _time_out(self, reply: asyncio.Future[bytes | str], after: float) -> None:
        if not reply.done():
            self.timeouts += 1
            reply.set_result(f"no answer within {after:g} seconds")

    def _fail_all(self, why: str) -> None:
        for _, reply in self._waiting.values():
            if not reply.done():
                reply.set_result(why)


async def over_tcp(host: str, port: int, query: Packet, timeout: float) -> bytes | str:
    """Send a query over TCP, for an answer too long for a datagram (RFC 7766). Return a packet or the error."""
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


def packet_for(query: Query) -> Packet:
    """Build the query packet. Raises ValueError or DNSException for a name or type that DNS cannot express."""
    if not query.question.name.isascii():
        raise ValueError("a name must be in ASCII")
    name = dns.name.from_text(query.question.name).to_wire()
    question = cast("bytes", name) + dns.rdatatype.from_text(query.question.type).to_bytes(2) + b"\x00\x01"
    flags = _RECURSION_DESIRED * query.recursive | _CHECKING_DISABLED * query.unchecked
    return Packet(question, flags.to_bytes(2) + _ONE_QUESTION + question + _OPT)


def is_truncated(packet: bytes) -> bool:
    return bool(packet[2] & _TRUNCATED)
