"""Collects the DNS answers for a diagnosis, within the budget of `domains.dns.services.QuerySession`.

It finds the zone's nameservers, then asks two of them for each record. Then it asks what explains the result: for a
missing or wrong record its other possible places, for a correct one the resolvers and conflicting records.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from domains.checking.core.comparison import Verdict, compare
from domains.diagnosis.core import observations
from domains.diagnosis.core.observations import Cut, Observations, mx_hosts, serial_of
from domains.dmarc import core as dmarc_core
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Query, Question, is_void, question_for
from domains.dns.services import Asker, Delegation, Net, Server
from domains.names.core import DomainName
from domains.policies import core as policies_core
from domains.records.core import Need, Record
from domains.spf.core import evaluation, grammar

CONSENTS = 3  # domains that DMARC reports go to
ELSEWHERE = 3  # questions to a server that the parent does not name; the rest if it answers one


@dataclass
class _Look:
    domain: DomainName
    records: tuple[Record, ...]
    net: Net
    asker: Asker
    delegation: Delegation
    by_resolver: bool = False
    host: list[Answer] = field(default_factory=list)
    internet: list[Answer] = field(default_factory=list)
    elsewhere: list[Answer] = field(default_factory=list)
    cuts: dict[str, Cut] = field(default_factory=dict)
    spf: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spf_absent: list[tuple[str, str]] = field(default_factory=list)
    spf_present: list[tuple[str, str]] = field(default_factory=list)
    dmarc: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_there: bool = True
    consents: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def is_hopeless(self) -> bool:
        """Return True if no server answers for the zone, or it does not exist, so that records cannot be looked up."""
        said = (*self.delegation.parent, *self.delegation.public_soas, *self.delegation.unchecked)
        return not any(answer.cut or answer.status in (LookupStatus.FOUND, LookupStatus.NO_DATA) for answer in said)


async def observe(domain: DomainName, records: tuple[Record, ...], net: Net, asker: Asker) -> Observations:
    """Collect all answers. It never raises: failed lookups are answers with status FAILED."""
    registered, delegation = domain, await dns_services.follow_delegation(domain.zone, net, asker)
    below = await _delegated_below(domain, delegation, asker)
    if below:
        domain, delegation = replace(domain, zone=below), await dns_services.follow_delegation(below, net, asker)
    look = _Look(domain, records, net, asker, delegation)
    reached = any(soa.status is LookupStatus.FOUND for soa in delegation.public_soas)
    look.by_resolver = not delegation.alive and reached
    if not look.is_hopeless and (delegation.alive or look.by_resolver):
        await _look_at_records(look)
        await _look_at_policies_above(look, registered)
        await _look_closer(look)
    return _observations(look)


def _observations(look: _Look) -> Observations:
    delegation, asker = look.delegation, look.asker
    return Observations(
        zone=look.domain.zone,
        records=look.records,
        servers=tuple(server.name for server in delegation.servers),
        named_inside=delegation.named_inside,
        soas=delegation.soas,
        public_soas=delegation.public_soas,
        unchecked=delegation.unchecked,
        parent=delegation.parent,
        host=tuple(dict.fromkeys(look.host)),
        internet=tuple(look.internet),
        elsewhere=tuple(look.elsewhere),
        cuts=tuple(look.cuts.values()),
        spf=tuple(look.spf.items()),
        spf_absent=tuple(look.spf_absent),
        spf_present=tuple(look.spf_present),
        dmarc=tuple(look.dmarc.items()),
        is_there=look.is_there,
        consents=tuple(look.consents),
        by_resolver=look.by_resolver,
        asked=asker.asked,
        transcript=tuple(asker.transcript),
    )


async def _delegated_below(domain: DomainName, delegation: Delegation, asker: Asker) -> str:
    """Return the subzone that contains a subdomain, also if it is on the same servers; "" if there is none."""
    if domain.ascii == domain.zone:
        return ""
    if not delegation.alive:
        return await _told_below(domain, delegation.helper, asker)
    server = delegation.alive[0]
    said = await asker.ask([Query(Question(domain.ascii, "NS"), server.at, server.name, recursive=False)])
    if said[0].authoritative and said[0].status is LookupStatus.FOUND and not said[0].aliases:
        return domain.ascii
    return said[0].cut if _is_below(said[0].cut, domain.zone, domain.ascii) else ""


async def _told_below(domain: DomainName, helper: str, asker: Asker) -> str:
    """Return the subzone by the resolver's answers, if the nameservers could not be asked."""
    names = (domain.ascii, *domain.parents[:-1])
    said = await asker.ask([Query(Question(name, "SOA"), helper, helper) for name in names])
    zones = (a.question.name for a in said if a.status is LookupStatus.FOUND and not a.aliases)
    return next(zones, "")


def _is_below(cut: str, zone: str, name: str) -> bool:
    """Return True for a referral to a subzone that contains the name. Other referrals are ignored."""
    return cut.endswith(f".{zone}") and (name == cut or name.endswith(f".{cut}"))


async def _look_at_records(look: _Look) -> None:
    """Ask two servers for each record, with different serials if possible, so that disagreement shows."""
    questions = list(dict.fromkeys(map(question_for, look.records)))
    servers = _by_serial(look.delegation)
    first = [_at_host(look, question, servers, number) for number, question in enumerate(questions)]
    found = await _settled(look, await look.asker.ask(first))
    look.host += found
    if len(servers) > 1:
        inside = tuple(look.cuts)
        again = [q for q in questions if not any(q.name == cut or q.name.endswith(f".{cut}") for cut in inside)]
        second = [
            _at_host(look, question, servers, number + 1)
            for number, question in enumerate(questions)
            if question in again
        ]
        look.host += await _settled(look, await look.asker.ask(second))


async def _look_at_policies_above(look: _Look, registered: DomainName) -> None:
    """Ask for parent domains' DMARC records, unless the domain has its own usable one."""
    asked = {question_for(record) for record in look.records if record.key == "dmarc"}
    own = [answer for answer in look.host if answer.question in asked]
    if not asked or any(dmarc_core.used_line(answer.values) for answer in own):
        return
    names = [Question(policies_core.dmarc_name(name), "TXT") for name in policies_core.names_above(registered)]
    told = await _ask_helper(look, names)
    look.dmarc = {answer.question.name: policies_core.dmarc_lines(answer.values) for answer in told}
    exists = _at_host(look, Question(registered.ascii, "TXT"), _by_serial(look.delegation), 0)
    look.is_there = all(answer.status is not LookupStatus.NO_NAME for answer in await look.asker.ask([exists]))


async def _look_closer(look: _Look) -> None:
    """Ask one batch in order of value: public answers for required records, likely wrong places, conflicts, others."""
    right = [record for record in look.records if _is_right(look, record)]
    missing = [record for record in look.records if record not in right]
    searched = [probe.question for probe in observations.spread([observations.probes(r, look.domain) for r in missing])]
    required = [record for record in right if record.need is Need.REQUIRED]
    beside = [observations.rival_question(record) for record in right]
    at_first = len(missing) * 3
    public = _in_public(look, required, look.net.resolvers)
    optional = _in_public(look, [r for r in right if r not in required], look.net.resolvers[:1])
    host = [*searched[:at_first], *_aliases(look, missing), *beside, *searched[at_first:]]
    servers = _by_serial(look.delegation)
    queries = [_at_host(look, question, servers, 0) for question in dict.fromkeys(host)]
    await _look_elsewhere(look, missing)
    head = at_first + len(beside)
    answers = await look.asker.ask([*public, *queries[:head], *optional, *queries[head:]])
    seen_public = {(query.question, query.who) for query in (*public, *optional)}
    for answer in answers:
        is_public = (answer.question, answer.resolver) in seen_public
        if is_public or not look.asker.is_spared(answer):
            (look.internet if is_public else look.host).append(answer)
    await _follow_spf(look)
    await _ask_consent(look)
    await _look_at_other_proof(look, missing)
    if look.by_resolver:
        look.host += [answer for answer in look.internet if answer.resolver == look.delegation.helper]


def _by_serial(delegation: Delegation) -> tuple[Server, ...]:
    """Order the servers so that neighbours differ in serial, if any do."""
    serials = {soa.resolver: serial_of(soa) for soa in delegation.soas}
    alive = sorted(delegation.alive, key=lambda server: serials.get(server.name, ""))
    return tuple(alive[::2] + alive[1::2]) if len(alive) > 2 and len(set(serials.values())) == 1 else tuple(alive)


def _at_host(look: _Look, question: Question, servers: Sequence[Server], turn: int) -> Query:
    if look.by_resolver:
        helper = look.delegation.helper
        return Query(question, helper, helper, unchecked=look.delegation.is_unchecked)
    server = servers[turn % len(servers)]
    return Query(question, server.at, server.name, recursive=False)


async def _settled(look: _Look, answers: Sequence[Answer]) -> list[Answer]:
    """Follow referrals to the subzone's servers, and aliases to their targets."""
    referred = [answer for answer in answers if _is_below(answer.cut, look.domain.zone, answer.question.name)]
    settled = [answer for answer in answers if answer not in referred]
    for answer in referred:
        settled += await _below(look, answer)
    return [await _behind_alias(look, answer) for answer in settled]


async def _below(look: _Look, referral: Answer) -> list[Answer]:
    servers = await dns_services.find_delegation(referral.servers, look.delegation.helper, look.net, look.asker)
    look.cuts[referral.cut] = Cut(referral.cut, tuple(server.name for server in servers))
    asked = [Query(referral.question, s.at, s.name, recursive=False) for s in servers[:2] if s.at]
    return await look.asker.ask(asked) or [referral]


async def _behind_alias(look: _Look, answer: Answer) -> Answer:
    """A nameserver does not follow an alias out of its zones, so ask a resolver."""
    if not answer.aliases or answer.status is not LookupStatus.FAILED:
        return answer
    helper = look.delegation.helper
    followed = (await look.asker.ask([Query(answer.question, helper, helper)]))[0]
    return replace(answer, status=followed.status, values=followed.values, ttl=followed.ttl, error=followed.error)


def _is_right(look: _Look, record: Record) -> bool:
    own = [answer for answer in look.host if answer.question == question_for(record)]
    verdicts = {compare(record, answer).verdict for answer in own} - {Verdict.UNKNOWN}
    return verdicts == {Verdict.RIGHT}


def _in_public(look: _Look, records: Sequence[Record], resolvers: Sequence[str]) -> list[Query]:
    return [Query(question_for(record), at, at) for record in records for at in resolvers]


def _aliases(look: _Look, missing: Sequence[Record]) -> list[Question]:
    """Ask whether mail servers in the customer's own zone are aliases."""
    own = [
        host
        for answer in look.host
        if answer.question.type == "MX" and answer.question in set(map(question_for, missing))
        for host in mx_hosts(answer.values)
        if host.endswith(f".{look.domain.zone}")
    ]
    return [Question(host, "CNAME") for host in dict.fromkeys(own)][:2]


async def _look_at_other_proof(look: _Look, missing: Sequence[Record]) -> None:
    """If the token is at the domain itself, ask whether public resolvers return it too."""
    for record in missing:
        apex = Question(look.domain.ascii, "TXT")
        held = any(f"amazonses:{record.value}" in answer.values for answer in look.host if answer.question == apex)
        if record.key == "identity" and held:
            both = [Query(q, at, at) for at in look.net.resolvers for q in (question_for(record), apex)]
            look.internet += await look.asker.ask(both)


async def _look_elsewhere(look: _Look, missing: Sequence[Record]) -> None:
    if not missing or look.by_resolver or not look.delegation.others:
        return
    named = [(name, "") for name in look.delegation.others]
    servers = await dns_services.find_delegation(named, look.delegation.helper, look.net, look.asker)
    wanted = [question_for(record) for record in missing]
    for some in (wanted[:ELSEWHERE], wanted[ELSEWHERE:]):
        asked = [Query(question, s.at, s.name, recursive=False) for s in servers if s.at for question in some]
        look.elsewhere += await look.asker.ask(asked)
        held = {answer.resolver for answer in look.elsewhere if answer.status is LookupStatus.FOUND}
        servers = tuple(server for server in servers if server.name in held)


SPF_DEPTH = 10  # levels of includes to follow: more than ten are an error
SPF_NAMES = 12  # per level


async def _follow_spf(look: _Look) -> None:
    """Ask for the SPF lines behind includes and for the names of other terms. SES's own record is known."""
    spf = [question_for(record) for record in look.records if record.key in ("mail-from-spf", "apex-spf")]
    lines = [line for a in look.host if a.question in spf for line in grammar.spf_among(a.values)]
    for _ in range(SPF_DEPTH):
        await _look_for_voids(look, lines)
        inside = [name for line in lines for name in evaluation.names_inside(line)]
        names = [name for name in dict.fromkeys(inside) if name not in (grammar.AMAZON, *look.spf)]
        if not names:
            break
        told = await _ask_helper(look, [Question(name, "TXT") for name in names[:SPF_NAMES]])
        new = {a.question.name: grammar.spf_among(a.values) for a in told}
        look.spf |= new
        lines = [line for found in new.values() for line in found]


async def _look_for_voids(look: _Look, lines: Sequence[str]) -> None:
    pairs = dict.fromkeys(pair for line in lines for pair in evaluation.names_looked_up(line))
    new = [Question(*pair) for pair in pairs if pair not in (*look.spf_absent, *look.spf_present)]
    for answer in await _ask_helper(look, new[:SPF_NAMES]):
        question, is_nothing = answer.question, is_void(answer.question.type, answer.status)
        (look.spf_absent if is_nothing else look.spf_present).append((question.name, question.type))


async def _ask_consent(look: _Look) -> None:
    """Ask whether other domains accept the reports that a DMARC record sends there."""
    asked = {question_for(record) for record in look.records if record.key == "dmarc"}
    lines = [line for a in look.host if a.question in asked for line in a.values if dmarc_core.is_dmarc(line)]
    foreign = dmarc_core.reports_elsewhere(lines, look.domain.ascii)
    names = [dmarc_core.consent_name(look.domain.ascii, address) for address in foreign]
    told = await _ask_helper(look, [Question(name, "TXT") for name in dict.fromkeys(names)][:CONSENTS])
    look.consents += [(a.question.name, any(map(dmarc_core.is_dmarc, a.values))) for a in told]


async def _ask_helper(look: _Look, questions: Sequence[Question]) -> list[Answer]:
    """Ask a resolver, which follows aliases. Failed lookups are left out."""
    at = look.delegation.helper
    told = await look.asker.ask([Query(question, at, at) for question in questions])
    return [answer for answer in told if answer.status is not LookupStatus.FAILED]
