"""Sends many DNS questions to several servers at once. Every outcome is an Answer, never an exception.

One UDP socket per server carries all questions; id and question tell the packets apart. An answer counts only if it
comes from the server's own address (the socket is connected), has the random id of a pending question, and repeats that
question.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.exception

from domains.dns.core import Answer, Query, Question
from domains.dns.gateway.channel import Channel, is_truncated, open_channel, over_tcp, packet_for
from domains.dns.gateway.messages import failed_answer, parse_answer
from inbound_admin.lib.public_address import parse_resolver

# Used if the system has no resolver. Two operators, so that a fault at one does not decide alone.
FALLBACK_RESOLVERS = ("1.1.1.1:53", "8.8.8.8:53")


@dataclass(frozen=True)
class _Limits:
    timeout: float
    tries: int
    at_once: int


def look_up(
    questions: Sequence[Question],
    resolvers: Sequence[str],
    *,
    timeout: float = 3.0,
    tries: int = 2,
    at_once: int = 50,
) -> dict[tuple[Question, str], Answer]:
    """Run `ask` from synchronous code. Raises RuntimeError inside a running event loop: use `ask` there."""
    return asyncio.run(ask(questions, resolvers, timeout=timeout, tries=tries, at_once=at_once))


async def ask(
    questions: Sequence[Question],
    resolvers: Sequence[str],
    *,
    timeout: float = 3.0,
    tries: int = 2,
    at_once: int = 50,
) -> dict[tuple[Question, str], Answer]:
    """Send every question to every resolver ("host:port", "[IPv6]:port"; the default port is 53).

    `timeout` is in seconds for each of the `tries` of a question: a reply ends them. At most `at_once` questions are
    pending at one resolver. One that has never answered and timed out on its first `at_once` is not sent the others.
    """
    limits = _Limits(timeout, max(tries, 1), max(at_once, 1))
    wanted = {at: [Query(question, at, at) for question in dict.fromkeys(questions)] for at in resolvers}
    pending = [_ask_server(at, queries, limits) for at, queries in wanted.items()]
    found = [answer for answers in await asyncio.gather(*pending) for answer in answers.values()]
    return {(answer.question, answer.resolver): answer for answer in found}


async def ask_each(queries: Sequence[Query], *, timeout: float = 3.0) -> dict[Query, Answer]:
    """Send each query once, all in parallel. `timeout` is in seconds. An answer's `resolver` is the query's `who`."""
    servers: dict[str, list[Query]] = {}
    for query in dict.fromkeys(queries):
        servers.setdefault(query.at, []).append(query)
    pending = [_ask_server(at, own, _Limits(timeout, 1, len(own))) for at, own in servers.items()]
    return {query: answer for answers in await asyncio.gather(*pending) for query, answer in answers.items()}


def system_resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """Return the system's resolvers as "host:port", or FALLBACK_RESOLVERS if it has none."""
    try:
        text = resolv_conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return FALLBACK_RESOLVERS
    hosts = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
    return tuple(f"[{host}]:53" if ":" in host else f"{host}:53" for host in hosts) or FALLBACK_RESOLVERS


async def _ask_server(at: str, queries: Sequence[Query], limits: _Limits) -> dict[Query, Answer]:
    try:
        channel = await open_channel(*parse_resolver(at))
    except (OSError, UnicodeError, ValueError) as problem:
        return {query: _failed(query, f"the resolver cannot be reached: {problem}") for query in queries}
    try:
        answers: dict[Query, Answer] = {}
        left = iter(queries)
        workers = range(min(limits.at_once, len(queries)))
        await asyncio.gather(*(_ask_remaining(left, channel, limits, answers) for _ in workers))
        return answers
    finally:
        channel.close()


async def _ask_remaining(
    left: Iterator[Query], channel: Channel, limits: _Limits, answers: dict[Query, Answer]
) -> None:
    """Send the next query until none is left. Several of these share the iterator, which limits pending queries."""
    for query in left:
        if not channel.has_answered and channel.timeouts >= limits.at_once * limits.tries:
            answers[query] = _failed(query, "the resolver does not answer")
        else:
            answers[query] = await _answer(query, channel, limits)


async def _answer(query: Query, channel: Channel, limits: _Limits) -> Answer:
    try:
        packet = packet_for(query)
    except (dns.exception.DNSException, ValueError) as problem:
        return _failed(query, f"DNS has no such question: {problem}")
    reply: bytes | str = ""
    for _ in range(limits.tries):
        reply = await channel.exchange(packet, limits.timeout)
        if isinstance(reply, bytes) and is_truncated(reply):
            reply = await over_tcp(channel.host, channel.port, packet, limits.timeout)
        if isinstance(reply, bytes):
            return parse_answer(query.question, query.who, reply)
    return _failed(query, str(reply))


def _failed(query: Query, error: str) -> Answer:
    return failed_answer(query.question, query.who, error)
