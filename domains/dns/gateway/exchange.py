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
from inbound_admin.lib.dns_address import parse_resolver

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

    `timeout` is in seconds for each of the `tries` of a question. At most `at_once` questions are pending at one
    resolver. Timeouts are retried, other failures are not. A resolver that has never answered and timed out on its
    first `at_once` questions is not sent the others.
    """
    limits = _Limits(timeout, max(tries, 1), max(at_once, 1))
    wanted = tuple(dict.fromkeys(questions))
    lookups = [_ask_resolver(wanted, resolver, limits) for resolver in dict.fromkeys(resolvers)]
    return {
        (answer.question, answer.resolver): answer for answers in await asyncio.gather(*lookups) for answer in answers
    }


async def ask_each(queries: Sequence[Query], *, timeout: float = 3.0) -> list[Answer]:
    """Send each query once, all in parallel. `timeout` is in seconds. An answer's `resolver` is the query's `who`."""
    servers: dict[str, list[Query]] = {}
    for query in dict.fromkeys(queries):
        servers.setdefault(query.at, []).append(query)
    pending = [_ask_server(at, own, _Limits(timeout, 1, len(own))) for at, own in servers.items()]
    return [answer for answers in await asyncio.gather(*pending) for answer in answers]


def system_resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """Return the system's resolvers as "host:port", or FALLBACK_RESOLVERS if it has none."""
    try:
        text = resolv_conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return FALLBACK_RESOLVERS
    hosts = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
    return tuple(f"[{host}]:53" if ":" in host else f"{host}:53" for host in hosts) or FALLBACK_RESOLVERS


async def _ask_server(at: str, queries: Sequence[Query], limits: _Limits) -> list[Answer]:
    try:
        channel = await open_channel(*parse_resolver(at))
    except (OSError, UnicodeError, ValueError) as problem:
        return [failed_answer(query.question, query.who, f"it cannot be reached: {problem}") for query in queries]
    try:
        waiting = [
            _answer(q.question, q.who, channel, limits, recursive=q.recursive, unchecked=q.unchecked) for q in queries
        ]
        return await asyncio.gather(*waiting)
    finally:
        channel.close()


async def _ask_resolver(questions: Sequence[Question], resolver: str, limits: _Limits) -> list[Answer]:
    try:
        channel = await open_channel(*parse_resolver(resolver))
    except (OSError, UnicodeError, ValueError) as problem:
        return [
            failed_answer(question, resolver, f"the resolver cannot be reached: {problem}") for question in questions
        ]
    try:
        answers: list[Answer] = []
        left = iter(questions)
        workers = range(min(limits.at_once, len(questions)))
        await asyncio.gather(*(_ask_remaining(left, resolver, channel, limits, answers) for _ in workers))
        return answers
    finally:
        channel.close()


async def _ask_remaining(
    left: Iterator[Question], resolver: str, channel: Channel, limits: _Limits, answers: list[Answer]
) -> None:
    """Ask the next question until none is left. Several of these share the iterator, which limits pending questions."""
    for question in left:
        if not channel.has_answered and channel.timeouts >= limits.at_once * limits.tries:
            answers.append(failed_answer(question, resolver, "the resolver does not answer"))
        else:
            answers.append(await _answer(question, resolver, channel, limits))


async def _answer(
    question: Question,
    resolver: str,
    channel: Channel,
    limits: _Limits,
    *,
    recursive: bool = True,
    unchecked: bool = False,
) -> Answer:
    try:
        query = packet_for(question, recursive=recursive, unchecked=unchecked)
    except (dns.exception.DNSException, ValueError) as problem:
        return failed_answer(question, resolver, f"DNS has no such question: {problem}")
    reply: bytes | str = ""
    for _ in range(limits.tries):
        reply = await channel.exchange(query, limits.timeout)
        if isinstance(reply, bytes) and is_truncated(reply):
            reply = await over_tcp(channel.host, channel.port, query, limits.timeout)
        if isinstance(reply, bytes):
            return parse_answer(question, resolver, reply)
    return failed_answer(question, resolver, str(reply))
