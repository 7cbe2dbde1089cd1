"""DNS resolvers that don't answer, lie, or send more than was asked for."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Lie = Callable[[dns.message.Message, bool], bytes | None]
HUGE_STRINGS = 250  # of 250 characters: the maximum of one TCP response


def silent(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    return None


def fails(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    return _reply(asked, dns.rcode.SERVFAIL).to_wire()


def refuses(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    return _reply(asked, dns.rcode.REFUSED).to_wire()


def of_another_id(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    """Answer NXDOMAIN with a wrong ID, as an attacker who guesses would."""
    made = _reply(asked, dns.rcode.NXDOMAIN)
    made.id = (asked.id + 1) % 65536
    return made.to_wire()


def of_another_name(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    """Answer NXDOMAIN for another name."""
    question = asked.question[0]
    other = dns.message.make_query("else.example", question.rdtype, id=asked.id)
    return _reply(other, dns.rcode.NXDOMAIN).to_wire()


def rubbish(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    return asked.id.to_bytes(2, "big") + b"\xff" * 40


def huge(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
    """Answer truncated over UDP; over TCP an error with as many unrequested records as a response can contain."""
    if not by_tcp:
        cut = _reply(asked, dns.rcode.NOERROR)
        cut.flags |= dns.flags.TC
        return cut.to_wire()
    made = _reply(asked, dns.rcode.SERVFAIL)
    strings = [f'"{number:03}{"x" * 240}"' for number in range(HUGE_STRINGS)]
    made.additional.append(dns.rrset.from_text_list("else.example.", 300, "IN", "TXT", strings))
    return made.to_wire(max_size=65535)


LIES: dict[str, Lie] = {
    "DNS silent": silent,
    "DNS fails": fails,
    "DNS refuses": refuses,
    "DNS lies: another id": of_another_id,
    "DNS lies: another name": of_another_name,
    "DNS sends rubbish": rubbish,
    "DNS answers are huge": huge,
}


def _reply(asked: dns.message.Message, code: dns.rcode.Rcode) -> dns.message.Message:
    made = dns.message.make_response(asked, recursion_available=True)
    made.set_rcode(code)
    return made


@contextmanager
def answering(lie: Lie) -> Iterator[str]:
    """Yield `host:port` of a server for UDP and TCP."""
    over = threading.Event()
    stream = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(stream.getsockname())
    for each in (stream, datagrams):
        each.settimeout(0.1)
    threads = [
        threading.Thread(target=_answer_datagrams, args=(datagrams, lie, over)),
        threading.Thread(target=_answer_streams, args=(stream, lie, over)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield "{}:{}".format(*stream.getsockname())
    finally:
        over.set()
        for thread in threads:
            thread.join()
        stream.close()
        datagrams.close()


def _answer_datagrams(at: socket.socket, lie: Lie, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(TimeoutError):
            wire, sender = at.recvfrom(4096)
            if reply := lie(dns.message.from_wire(wire), False):
                at.sendto(reply, sender)


def _answer_streams(at: socket.socket, lie: Lie, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(OSError):  # also TimeoutError, and clients that disconnected
            connection, _ = at.accept()
            with connection:
                connection.settimeout(2)
                length = int.from_bytes(connection.recv(2), "big")
                if reply := lie(dns.message.from_wire(connection.recv(length)), True):
                    connection.sendall(len(reply).to_bytes(2, "big") + reply)
