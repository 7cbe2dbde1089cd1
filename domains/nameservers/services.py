"""Asks a zone's own nameservers, and the resolvers for what they can't say. Finds the zone of each domain.

`query_hosts_first` asks the domain's own nameservers for records that were never seen. A resolver that is asked too
early caches the absence for as long as the zone says (RFC 2308), and our own lookup would then hide a new record. So
the resolvers are asked once the nameserver has the record, or if the nameserver cannot be asked. `update_zones` finds
zone cuts at the parent zone's nameservers for the same reason.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.conf import settings
from django.utils import timezone

from domains.checking.core.comparison import Verdict, compare
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Question, cut_of, cut_questions, question_for, turn_of
from domains.dns.gateway import exchange
from domains.models.domains import Domain
from domains.records.core import Record
from inbound_admin.lib import counters, slow_work
from inbound_admin.lib.freshness import not_newer

MOST_ASKED, FEW = 8, 2  # nameservers of a zone, so that an outdated one doesn't decide alone
AT_ONCE = 20  # questions pending at one server, which may serve hundreds of domains
SLOWEST = 2.0  # seconds
ADDRESS_TYPES = ("A", "AAAA")
DEEPEST = 3  # nested zone cuts

AnswersByQuestion = dict[Question, list[Answer]]


@dataclass(frozen=True)
class HostLookup:
    """The answers of the resolvers (`public`) and of the domain's own nameservers (`host`)."""

    public: AnswersByQuestion
    host: AnswersByQuestion

    @property
    def all(self) -> AnswersByQuestion:
        return {question: self.answers_to(question) for question in {**self.host, **self.public}}

    def answers_to(self, question: Question) -> list[Answer]:
        """Return the nameservers' answers first, then the resolvers'."""
        return [*self.host.get(question, []), *self.public.get(question, [])]

    def answers_for_record(self, record: Record) -> list[Answer]:
        """Return the answers to judge a record by. A nameserver's correct one counts only with resolvers' answers."""
        public, host = (each.get(question_for(record), []) for each in (self.public, self.host))
        if not public:
            return host
        is_answered = any(answer.status is not LookupStatus.FAILED for answer in public)
        return [*(answer for answer in host if is_answered and _is_correct(record, [answer])), *public]


def query_hosts_first(unseen: Sequence[tuple[str, Record]], known: Iterable[Record]) -> HostLookup:
    """Ask resolvers for `known` records, and for `unseen` ones if the nameserver has the record or cannot tell."""
    at_host = query_nameservers([(zone, question_for(record)) for zone, record in unseen])
    ready = [r for _, r in unseen if not (own := at_host.get(question_for(r))) or _is_correct(r, own)]
    return HostLookup(query_resolvers([question_for(record) for record in (*known, *ready)]), at_host)


def query_other_places(wanted: Iterable[tuple[str, Question]]) -> AnswersByQuestion:
    """Ask for other possible places of a record: the nameserver first, the resolvers only if it has no answer."""
    questions = list(wanted)
    at_host = query_nameservers(questions)
    return {**query_resolvers([question for _, question in questions if question not in at_host]), **at_host}


def query_resolvers(questions: Sequence[Question]) -> AnswersByQuestion:
    """Return the resolvers' answers, by question."""
    found: AnswersByQuestion = {}
    for answer in dns_services.look_up(questions):
        found.setdefault(answer.question, []).append(answer)
    return found


def _is_correct(record: Record, answers: Sequence[Answer]) -> bool:
    return any(compare(record, answer).verdict is Verdict.CORRECT for answer in answers)


def query_nameservers(wanted: Iterable[tuple[str, Question]]) -> AnswersByQuestion:
    """Return the authoritative answers of zones' own nameservers, without timeouts. `wanted` is (zone, question)."""
    found: AnswersByQuestion = {}
    for answer in query_nameservers_raw(wanted):
        if answer.authoritative and answer.status is not LookupStatus.FAILED:
            found.setdefault(answer.question, []).append(replace(answer, resolver=f"nameserver {answer.resolver}"))
    return found


def query_nameservers_raw(
    wanted: Iterable[tuple[str, Question]], *, few: Collection[str] = (), today: date = date.min
) -> list[Answer]:
    """Return all answers of the zones' own nameservers, including referrals and timeouts.

    Of the zones in `few`, two nameservers are asked, others each day.
    """
    with slow_work.slot():
        by_server = _by_server(wanted, few, today)
        timeout = slow_work.seconds_left(min(settings.DNS_TIMEOUT_SECONDS, SLOWEST))
        if not by_server or not timeout:
            return []
        answers = asyncio.run(_ask(by_server, timeout))
    counters.count("dns_look", number=len(answers))
    return answers


def nameservers_of(zones: Sequence[str]) -> dict[str, frozenset[str] | None]:
    """Return the nameservers of each zone as answers name them, with all their addresses; None if a lookup failed."""
    if not zones:
        return {}
    named, of = _all_values([Question(zone, "NS") for zone in zones]), dns_services.network()
    hosts = {host for hosts in named.values() for host in hosts or ()}
    found = _all_values([Question(host, kind) for host in sorted(hosts) for kind in ADDRESS_TYPES])
    servers: dict[str, frozenset[str] | None] = {}
    for question, hosts_of_zone in named.items():
        addresses = [found[Question(host, kind)] for host in hosts_of_zone or () for kind in ADDRESS_TYPES]
        known = [dns_services.server_address(each, of) for some in addresses for each in some or ()]
        servers[question.name] = frozenset(known) if known and None not in addresses else None
    return servers


def _all_values(questions: Sequence[Question]) -> dict[Question, set[str] | None]:
    """Return the values from all resolvers, None if any of them failed."""
    answers = query_resolvers(questions) if questions else {}
    return {
        question: None
        if any(each.status is LookupStatus.FAILED for each in some)
        else {value for each in some for value in each.values}
        for question, some in answers.items()
    }


def _by_server(wanted: Iterable[tuple[str, Question]], few: Collection[str], today: date) -> dict[str, list[Question]]:
    zones: dict[str, list[Question]] = {}
    for zone, question in wanted:
        zones.setdefault(zone, []).append(question)
    if not zones:
        return {}
    named = _nameservers(tuple(zones))
    asked = {zone: turn_of(some, FEW if zone in few else MOST_ASKED, today) for zone, some in named.items()}
    found, of = _addresses([name for names in asked.values() for name in names]), dns_services.network()
    by_server: dict[str, list[Question]] = {}
    for zone, names in asked.items():
        for name in names:
            if at := name in found and dns_services.server_address(found[name], of):
                by_server.setdefault(at, []).extend(zones[zone])
    return by_server


def _nameservers(zones: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of each zone's nameservers, from all resolvers. Zones exist, so no absence gets cached."""
    named: dict[str, set[str]] = {}
    for answer in dns_services.look_up([Question(zone, "NS") for zone in zones]):
        named.setdefault(answer.question.name, set()).update(answer.values)
    return {zone: tuple(sorted(names)) for zone, names in named.items() if names}


def _addresses(names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in ADDRESS_TYPES:
        left = [Question(name, kind) for name in sorted(set(names).difference(found))]
        found |= {a.question.name: a.values[0] for a in dns_services.look_up(left) if a.values} if left else {}
    return found


async def _ask(by_server: Mapping[str, Sequence[Question]], timeout: float) -> list[Answer]:
    lookups = [exchange.ask(some, [at], timeout=timeout, tries=1, at_once=AT_ONCE) for at, some in by_server.items()]
    return [answer for found in await asyncio.gather(*lookups) for answer in found.values()]


def update_zones(domains: Sequence[Domain]) -> None:
    """Update the zone of each subdomain. A failed lookup changes nothing, nor does one older than what is stored."""
    asked_at = timezone.now()
    waiting = {domain: domain.parsed for domain in domains if cut_questions(domain.parsed)}
    found: dict[Domain, str] = {}
    for _ in range(DEEPEST):
        answers = _ns_answers(
            (found.get(domain) or name.zone, question)
            for domain, name in waiting.items()
            for question in cut_questions(name)
        )
        seen = {domain: cut for domain, name in waiting.items() if (cut := cut_of(name, answers)) is not None}
        waiting = {d: waiting[d] for d, cut in seen.items() if len(cut) > len(found.get(d, "")) and cut != d.name}
        found |= {domain: cut for domain, cut in seen.items() if cut or domain not in found}
    if found:
        _store(found, asked_at)


def _store(found: Mapping[Domain, str], asked_at: datetime) -> None:
    rows = Domain.objects.filter(pk__in=[domain.pk for domain in found])
    fresh = rows.filter(not_newer("zone_at", asked_at))
    stored = dict(rows.values_list("pk", "zone"))
    changed = [domain for domain, cut in found.items() if stored.get(domain.pk) != cut]
    for domain in changed:
        if fresh.filter(pk=domain.pk).update(zone=found[domain], zone_at=asked_at):
            stored[domain.pk] = found[domain]
    fresh.exclude(pk__in=[domain.pk for domain in changed]).update(zone_at=asked_at)
    for domain in found:
        domain.zone = stored.get(domain.pk, domain.zone)


def _ns_answers(questions: Iterable[tuple[str, Question]]) -> list[Answer]:
    wanted = list(questions)
    answers = query_nameservers_raw(wanted)
    heard = {a.question for a in answers if a.cut or (a.authoritative and a.status is not LookupStatus.FAILED)}
    silent = [question for _, question in wanted if question not in heard]
    found = query_resolvers(silent).values() if silent else ()
    by_resolvers = (answer for some in found for answer in some)
    return [*(a for a in answers if a.question in heard), *by_resolvers]
