"""Records that nobody has seen yet are looked for at the domain's own name servers first.

A resolver that is asked too early remembers that there is nothing, for as long as the zone says (RFC 2308), and then
our own look is why a record that was added since is not seen. So the resolvers are asked once the host has the record,
or where the host cannot be asked.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from domains.core.comparing import Verdict, compare
from domains.core.names import DomainName
from domains.core.observing import Answer, Question, Status, question_for
from domains.core.records import Record
from domains.gateway import dns
from domains.services import delegating
from domains.services.diagnosing import net
from domains.services.looking import look_up
from inbound_admin.lib import counting, slow_work

SERVERS = 2  # of each zone: one that is behind does not decide alone
AT_ONCE = 20  # questions on their way to one server, which may be that of hundreds of domains
SLOWEST = 2.0  # seconds

Told = dict[Question, list[Answer]]


@dataclass(frozen=True)
class Looked:
    """What the resolvers said, and what the hosts did."""

    public: Told
    host: Told

    @property
    def all(self) -> Told:
        return {question: self.of(question) for question in {**self.host, **self.public}}

    def of(self, question: Question) -> list[Answer]:
        """The host's word first."""
        return [*self.host.get(question, []), *self.public.get(question, [])]

    def of_record(self, record: Record) -> list[Answer]:
        """To judge it by: where its host has it and the resolvers do not yet, both count; a host alone is no proof."""
        public, host = (each.get(question_for(record), []) for each in (self.public, self.host))
        if not public:
            return host
        is_told = any(answer.status is not Status.FAILED for answer in public)
        return [*(answer for answer in host if is_told and _is_right(record, [answer])), *public]


def look_first(unseen: Sequence[tuple[DomainName, Record]], known: Iterable[Record]) -> Looked:
    """The `known` are asked of the resolvers; the others once their host has them as they should be, or cannot tell."""
    told = look_at_hosts([(domain.zone, question_for(record)) for domain, record in unseen])
    ready = [r for _, r in unseen if not (own := told.get(question_for(r))) or _is_right(r, own)]
    return Looked(ask([question_for(record) for record in (*known, *ready)]), told)


def look_further(wanted: Iterable[tuple[DomainName, Question]]) -> Told:
    """Where else it may be: an answer that explains, so the host's is enough, and the resolvers' where it has none."""
    questions = [(domain.zone, question) for domain, question in wanted]
    told = look_at_hosts(questions)
    return {**ask([question for _, question in questions if question not in told]), **told}


def ask(questions: Sequence[Question]) -> Told:
    """The resolvers, by question."""
    found: Told = {}
    for answer in look_up(questions):
        found.setdefault(answer.question, []).append(answer)
    return found


def _is_right(record: Record, answers: Sequence[Answer]) -> bool:
    return any(compare(record, answer).verdict is Verdict.RIGHT for answer in answers)


def look_at_hosts(wanted: Iterable[tuple[str, Question]]) -> Told:
    """Zones and what is asked there: what their own servers said with authority; silence and referrals are left out."""
    with slow_work.place():
        asked = _by_server(wanted)
        timeout = slow_work.seconds_left(min(settings.DNS_TIMEOUT_SECONDS, SLOWEST))
        if not asked or not timeout:
            return {}
        answers = asyncio.run(_ask(asked, timeout))
    counting.count("dns_look", number=len(answers))
    told: Told = {}
    for answer in answers:
        if answer.authoritative and answer.status is not Status.FAILED:
            told.setdefault(answer.question, []).append(replace(answer, resolver=f"name server {answer.resolver}"))
    return told


def _by_server(wanted: Iterable[tuple[str, Question]]) -> dict[str, list[Question]]:
    zones: dict[str, list[Question]] = {}
    for zone, question in wanted:
        zones.setdefault(zone, []).append(question)
    if not zones:
        return {}
    servers, of = _servers(tuple(zones)), net()
    asked: dict[str, list[Question]] = {}
    for zone, questions in zones.items():
        for address in servers.get(zone, ()):
            if at := delegating.place(address, of):
                asked.setdefault(at, []).extend(questions)
    return asked


def _servers(zones: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The addresses of each zone's name servers, by the resolvers; a zone exists, so nothing absent is remembered."""
    named = {a.question.name: a.values for a in look_up([Question(z, "NS") for z in zones]) if a.values}
    names = {name for values in named.values() for name in values[:SERVERS]}
    found = {a.question.name: a.values for a in look_up([Question(n, "A") for n in sorted(names)]) if a.values}
    return {zone: tuple(found[name][0] for name in values[:SERVERS] if name in found) for zone, values in named.items()}


async def _ask(asked: Mapping[str, Sequence[Question]], timeout: float) -> list[Answer]:
    each = [dns.ask(questions, [at], timeout=timeout, tries=1, at_once=AT_ONCE) for at, questions in asked.items()]
    return [answer for found in await asyncio.gather(*each) for answer in found.values()]
