"""Queries DNS: at the configured resolvers, and within a budget. `domains.nameservers` asks a zone's own nameservers.

- `look_up` asks the resolvers.
- `QuerySession` limits the packets and seconds of one diagnosis and never repeats a question. A question over the
budget gets a failed answer that says so.
- `Network` and `Delegation` find a zone's nameservers: from its parent, or from the resolvers if no parent can be
asked.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from domains.diagnosis.core import findings
from domains.diagnosis.core.observations import is_authoritative_soa, primary_of
from domains.dns.core import SKIPPED, Answer, LookupStatus, Query, Question
from domains.dns.gateway import exchange
from inbound_admin.lib import counters, slow_work
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.public_address import is_public, parse_resolver

TRIES = 2
TOO_LATE = "skipped: the request's time limit was reached"


def look_up(questions: Sequence[Question]) -> list[Answer]:
    """Return one answer from each resolver to each question. A failed lookup is an answer with status FAILED."""
    unique = list(dict.fromkeys(questions))
    ours = resolvers()
    with slow_work.slot():
        timeout = slow_work.seconds_left(settings.DNS_TIMEOUT_SECONDS * TRIES) / TRIES
        if not timeout:
            return [Answer(question, at, LookupStatus.FAILED, error=TOO_LATE) for question in unique for at in ours]
        answers = list(exchange.look_up(unique, ours, timeout=timeout, tries=TRIES).values())
    counters.count("dns_look", number=len(answers))
    return answers


def look_up_unvalidated(questions: Sequence[Question]) -> list[Answer]:
    """Return one answer from each resolver to each question, without DNSSEC validation. It asks once."""
    with slow_work.slot():
        timeout = slow_work.seconds_left(settings.DNS_TIMEOUT_SECONDS)
        queries = [Query(each, at, at, unchecked=True) for each in dict.fromkeys(questions) for at in resolvers()]
        answers = list(asyncio.run(exchange.ask_each(queries, timeout=timeout)).values()) if timeout else []
    counters.count("dns_look", number=len(answers))
    return answers


def resolvers() -> tuple[str, ...]:
    """Return the settings' resolvers, or the system's. Raises Refused in the sandbox if it has none of its own."""
    if settings.SANDBOX and not settings.DNS_RESOLVERS:
        raise Refused(
            "DNS wasn't queried: SANDBOX is on, but no sandbox is running. Start it with `make run`, "
            "set DNS_RESOLVERS to a sandbox, or set SANDBOX=0 to query the real DNS."
        )
    return tuple(settings.DNS_RESOLVERS or exchange.system_resolvers())


MOST_QUERIES = 60
RESERVE = 3  # of them, for long answers that are requested again over TCP
SECONDS = 10.0
TIMED_OUT = "no answer within"  # the gateway's wording


class QuerySession:
    """The DNS queries of one diagnosis. `clock` counts seconds."""

    def __init__(
        self, *, timeout: float, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout, self._clock = timeout, clock
        self._ends = clock() + seconds
        self._known: dict[Query, Answer] = {}
        self._heard: set[str] = set()
        self._was_held_up = False
        self.asked = 0
        self.transcript: list[str] = []

    @property
    def left(self) -> int:
        """Return how many questions are still allowed."""
        return max(MOST_QUERIES - RESERVE - self.asked, 0)

    async def ask(self, queries: Sequence[Query]) -> list[Answer]:
        """Return the answers in order. If the budget does not allow all queries, the first ones are sent."""
        new = [query for query in dict.fromkeys(queries) if query not in self._known]
        sent, over = self._allowed(new)
        await self._send(sent)
        lost = [query for query in sent if query.at in self._heard and self._known[query].error.startswith(TIMED_OUT)]
        await self._send(self._allowed(lost)[0])
        self._was_held_up |= bool(lost) or self._seconds <= 0
        skipped = {q: Answer(q.question, q.who, LookupStatus.FAILED, error=SKIPPED) for q in over}
        answered = skipped | self._known
        return [answered[query] for query in queries if query in answered]

    def is_over_budget(self, answer: Answer) -> bool:
        """Return True if the query was not sent because the budget was used up, and no server was slow."""
        return answer.error == SKIPPED and not self._was_held_up

    def _allowed(self, queries: list[Query]) -> tuple[list[Query], list[Query]]:
        """Split queries into those that the budget allows and the rest."""
        most = self.left if self._seconds > 0 else 0
        return queries[:most], queries[most:]

    @property
    def _seconds(self) -> float:
        return min(self._timeout, self._ends - self._clock())

    async def _send(self, queries: Sequence[Query]) -> None:
        """Send and record queries. A second attempt after a timeout replaces the answer."""
        self.asked += len(queries)
        answers = await exchange.ask_each(queries, timeout=self._seconds)
        self._known |= answers
        self._heard |= {query.at for query, answer in answers.items() if answer.status is not LookupStatus.FAILED}
        self.transcript += [_transcript_line(query, answers[query]) for query in queries]


def _transcript_line(query: Query, answer: Answer) -> str:
    """Format a query as a dig command line, with its answer."""
    flags = ("" if query.recursive else " +norecurse") + (" +cdflag" if query.unchecked else "")
    asked = f"dig @{query.who} {query.question.name} {query.question.type}{flags}"
    result = (
        ", ".join(findings.clean_values(answer.values))
        or findings.clean_text(answer.error)
        or answer.status.replace("_", " ")
    )
    ttl = "" if answer.ttl is None else f" (ttl {answer.ttl})"
    return f"{asked} → {result}{ttl}"


MOST_SERVERS = 4


@dataclass(frozen=True)
class Network:
    """`resolvers` are the public ones. Nameservers listen at `port`. `private` allows private addresses."""

    resolvers: tuple[str, ...]
    port: int = 53
    private: bool = False


@dataclass(frozen=True)
class Server:
    """`at` is "host:port", or "" if its address is unknown or must not be asked."""

    name: str
    at: str


@dataclass(frozen=True)
class Delegation:
    """`helper` is the resolver that answers us. `is_unchecked`: it answers only without DNSSEC validation."""

    servers: tuple[Server, ...]
    parent: tuple[Answer, ...]
    public_soas: tuple[Answer, ...]
    unchecked: tuple[Answer, ...]
    soas: tuple[Answer, ...]
    named_inside: tuple[str, ...]
    helper: str
    is_unchecked: bool

    @property
    def responding(self) -> tuple[Server, ...]:
        """Return the servers that answered for the zone."""
        heard = {soa.resolver for soa in self.soas if is_authoritative_soa(soa)}
        return tuple(server for server in self.servers if server.name in heard)

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Return servers that the zone lists but its parent does not: edits made there have no effect."""
        known = {server.name for server in self.servers}
        primaries = {primary_of(soa) for soa in (*self.soas, *self.public_soas)}
        names = dict.fromkeys((*self.named_inside, *sorted(primaries)))
        return tuple(name for name in names if name and name not in known)[:2]


async def follow_delegation(zone: str, net: Network, session: QuerySession) -> Delegation:
    """Find the zone's nameservers from its parent down, including those that do not answer."""
    first = [Query(Question(zone, kind), at, at) for kind in ("SOA", "NS") for at in net.resolvers]
    above = Query(Question(zone.partition(".")[2], "NS"), net.resolvers[0], net.resolvers[0])
    *answers, upper = await session.ask([*first, above])
    soas, named = answers[: len(net.resolvers)], answers[len(net.resolvers) :]
    failed = [soa.resolver for soa in soas if soa.status is LookupStatus.FAILED]
    again = [Query(Question(zone, kind), at, at, unchecked=True) for at in failed for kind in ("SOA", "NS")]
    unchecked = await session.ask(again)
    helper, is_unchecked = _helper(soas, unchecked)
    parent = await _ask_parent(zone, upper, helper, net, session)
    names = _delegated_servers([*parent, *named, *unchecked])
    servers = await find_delegation(names, helper, net, session, unchecked=is_unchecked)
    reachable = [server for server in servers if server.at]
    own = await session.ask([Query(Question(zone, "SOA"), s.at, s.name, recursive=False) for s in reachable])
    inside = await _named_inside(zone, reachable, own, session)
    public = [answer for answer in unchecked if answer.question.type == "SOA"]
    return Delegation(servers, tuple(parent), tuple(soas), tuple(public), tuple(own), inside, helper, is_unchecked)


async def find_delegation(
    names: Sequence[tuple[str, str]], helper: str, net: Network, session: QuerySession, *, unchecked: bool = False
) -> tuple[Server, ...]:
    """Return the servers with their addresses, from the referral's glue or else from the resolver."""
    some = list(names)[:MOST_SERVERS]
    found: dict[str, str] = {}
    for kind in ("A", "AAAA"):  # AAAA for servers that have no IPv4 address
        names_left = [name for name, address in some if not address and name not in found]
        lost = [Query(Question(name, kind), helper, helper, unchecked=unchecked) for name in names_left]
        found |= {answer.question.name: answer.values[0] for answer in await session.ask(lost) if answer.values}
    return tuple(Server(name, server_address(address or found.get(name, ""), net)) for name, address in some)


def server_address(address: str, net: Network) -> str:
    """Return "host:port", or "" for a private address: other people's DNS must not lead us into our own network."""
    if not is_public(address) and not (net.private and _is_address(address)):
        return ""
    return f"[{address}]:{net.port}" if ":" in address else f"{address}:{net.port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _helper(soas: Sequence[Answer], unchecked: Sequence[Answer]) -> tuple[str, bool]:
    plain = [soa.resolver for soa in soas if soa.status is not LookupStatus.FAILED]
    if plain:
        return plain[0], False
    answered = [answer.resolver for answer in unchecked if answer.status is not LookupStatus.FAILED]
    return (answered or [soa.resolver for soa in soas])[0], bool(answered)


async def _ask_parent(zone: str, upper: Answer, helper: str, net: Network, session: QuerySession) -> list[Answer]:
    """Ask one server of the parent zone, and another one if the first does not answer."""
    for server in await find_delegation([(name, "") for name in upper.values[:2]], helper, net, session):
        if not server.at:
            continue
        answers = await session.ask([Query(Question(zone, "NS"), server.at, server.name, recursive=False)])
        if answers[0].cut == zone or answers[0].authoritative:
            return answers
    return []


def _delegated_servers(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """Prefer the parent's answer; resolvers report what the zone says about itself."""
    for answer in answers:
        if answer.servers:
            return list(answer.servers)
        if answer.status is LookupStatus.FOUND and answer.question.type == "NS":
            return [(name, "") for name in answer.values]
    return []


async def _named_inside(
    zone: str, servers: Sequence[Server], soas: Sequence[Answer], session: QuerySession
) -> tuple[str, ...]:
    heard = {soa.resolver for soa in soas if is_authoritative_soa(soa)}
    for server in servers:
        if server.name in heard:
            answers = await session.ask([Query(Question(zone, "NS"), server.at, server.name, recursive=False)])
            return answers[0].values
    return ()


MOST_RESOLVERS = 3


def network() -> Network:
    """Return the network to query. In the sandbox all nameservers are on this machine, at the port of its resolver."""
    addresses = resolvers()[:MOST_RESOLVERS]
    port = parse_resolver(addresses[0])[1] if settings.SANDBOX else 53
    return Network(addresses, port=port, private=settings.SANDBOX)
