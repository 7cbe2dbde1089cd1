"""Collects the DNS answers for a diagnosis, within the budget of `domains.dns.services.QuerySession`.

It finds the zone's nameservers, then asks two of them for each record. Then it asks what explains the result: for a
missing or wrong record its other possible places, for a correct one the resolvers, conflicting records, and last the
other nameservers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from domains.checking.core.comparison import Verdict, compare
from domains.diagnosis.core import observations
from domains.diagnosis.core.observations import Cut, Observations, mx_hosts, serial_of
from domains.dmarc import core as dmarc_core
from domains.dns import services as dns_services
from domains.dns.core import (
    Answer,
    LookupStatus,
    Query,
    Question,
    cut_of,
    cut_questions,
    is_void,
    question_for,
    rival_question,
)
from domains.dns.services import Delegation, Network, QuerySession, Server
from domains.names.core import DomainName, is_within
from domains.policies import core as policies_core
from domains.records.core import Need, Record
from domains.spf.core import evaluation, grammar

CONSENTS = 3  # domains that DMARC reports go to
ELSEWHERE = 3  # questions to a server that the parent does not name; the rest if it answers one


@dataclass
class _Observation:
    domain: DomainName
    records: tuple[Record, ...]
    net: Network
    session: QuerySession
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
    def is_unanswered(self) -> bool:
        """Return True if no server answers for the zone, or it does not exist, so that records cannot be looked up."""
        answered = (*self.delegation.parent, *self.delegation.public_soas, *self.delegation.unchecked)
        return not any(answer.cut or answer.status in (LookupStatus.FOUND, LookupStatus.NO_DATA) for answer in answered)


async def observe(domain: DomainName, records: tuple[Record, ...], net: Network, session: QuerySession) -> Observations:
    """Collect all answers. It never raises: failed lookups are answers with status FAILED."""
    registered, delegation = domain, await dns_services.follow_delegation(domain.zone, net, session)
    below = await _find_subzone(domain, delegation, session)
    if below:
        domain, delegation = replace(domain, zone=below), await dns_services.follow_delegation(below, net, session)
    observation = _Observation(domain, records, net, session, delegation)
    reached = any(soa.status is LookupStatus.FOUND for soa in delegation.public_soas)
    observation.by_resolver = not delegation.responding and reached
    if not observation.is_unanswered and (delegation.responding or observation.by_resolver):
        await _ask_records(observation)
        await _ask_parent_policies(observation, registered)
        await _ask_further(observation)
        await _ask_other_servers(observation)
    return _observations(observation)


def _observations(observation: _Observation) -> Observations:
    delegation, session = observation.delegation, observation.session
    return Observations(
        zone=observation.domain.zone,
        records=observation.records,
        servers=tuple(server.name for server in delegation.servers),
        named_inside=delegation.named_inside,
        soas=delegation.soas,
        public_soas=delegation.public_soas,
        unchecked=delegation.unchecked,
        parent=delegation.parent,
        host=tuple(dict.fromkeys(observation.host)),
        internet=tuple(observation.internet),
        elsewhere=tuple(observation.elsewhere),
        cuts=tuple(observation.cuts.values()),
        spf=tuple(observation.spf.items()),
        spf_absent=tuple(observation.spf_absent),
        spf_present=tuple(observation.spf_present),
        dmarc=tuple(observation.dmarc.items()),
        is_there=observation.is_there,
        consents=tuple(observation.consents),
        by_resolver=observation.by_resolver,
        asked=session.asked,
        transcript=tuple(session.transcript),
    )


async def _find_subzone(domain: DomainName, delegation: Delegation, session: QuerySession) -> str:
    """Return the nearest zone between a subdomain and its registered domain, also if it is on the same servers; "" if
    there is none. A resolver is asked if the nameservers could not be.
    """
    asked = delegation.responding[0] if delegation.responding else Server(delegation.helper, delegation.helper)
    recursive = not delegation.responding
    queries = [Query(each, asked.at, asked.name, recursive=recursive) for each in cut_questions(domain)]
    return cut_of(domain, await session.ask(queries)) or ""


def _is_below(cut: str, zone: str, name: str) -> bool:
    """Return True for a referral to a subzone that contains the name. Other referrals are ignored."""
    return cut != zone and is_within(cut, zone) and is_within(name, cut)


async def _ask_records(observation: _Observation) -> None:
    """Ask two servers for each record, with different serials if possible, so that disagreement shows."""
    questions = list(dict.fromkeys(map(question_for, observation.records)))
    servers = _by_serial(observation.delegation)
    first = [_at_host(observation, question, servers, number) for number, question in enumerate(questions)]
    found = await _follow(observation, await observation.session.ask(first))
    observation.host += found
    if len(servers) > 1:
        second = [
            _at_host(observation, question, servers, number + 1)
            for number, question in enumerate(questions)
            if not any(is_within(question.name, cut) for cut in observation.cuts)
        ]
        observation.host += await _follow(observation, await observation.session.ask(second))


async def _ask_parent_policies(observation: _Observation, registered: DomainName) -> None:
    """Ask for parent domains' DMARC records, unless the domain has its own usable one."""
    questions = {question_for(record) for record in observation.records if record.key == "dmarc"}
    own = [answer for answer in observation.host if answer.question in questions]
    if not questions or any(dmarc_core.usable_record(answer.values) for answer in own):
        return
    names = [Question(policies_core.dmarc_name(name), "TXT") for name in policies_core.names_above(registered)]
    answers = await _ask_helper(observation, names)
    observation.dmarc = {answer.question.name: policies_core.dmarc_lines(answer.values) for answer in answers}
    exists = _at_host(observation, Question(registered.ascii, "TXT"), _by_serial(observation.delegation), 0)
    observation.is_there = all(
        answer.status is not LookupStatus.NO_NAME for answer in await observation.session.ask([exists])
    )


async def _ask_further(observation: _Observation) -> None:
    """Ask one batch in order of value: public answers for required records, likely wrong places, conflicts, others."""
    right = [record for record in observation.records if _is_correct(observation, record)]
    missing = [record for record in observation.records if record not in right]
    searched = [
        probe.question
        for probe in observations.interleave([observations.probes(r, observation.domain) for r in missing])
    ]
    required = [record for record in right if record.need is Need.REQUIRED]
    beside = [rival_question(record) for record in right]
    at_first = len(missing) * 3
    public = _in_public(observation, required, observation.net.resolvers)
    optional = _in_public(observation, [r for r in right if r not in required], observation.net.resolvers[:1])
    host = [*searched[:at_first], *_aliases(observation, missing), *beside, *searched[at_first:]]
    servers = _by_serial(observation.delegation)
    queries = [_at_host(observation, question, servers, 0) for question in dict.fromkeys(host)]
    await _ask_unlisted_servers(observation, missing)
    head = at_first + len(beside)
    answers = await observation.session.ask([*public, *queries[:head], *optional, *queries[head:]])
    seen_public = {(query.question, query.who) for query in (*public, *optional)}
    for answer in answers:
        is_public = (answer.question, answer.resolver) in seen_public
        if is_public or not observation.session.is_over_budget(answer):
            (observation.internet if is_public else observation.host).append(answer)
    await _follow_spf(observation)
    await _ask_consent(observation)
    await _ask_apex_token(observation, missing)
    if observation.by_resolver:
        observation.host += [
            answer for answer in observation.internet if answer.resolver == observation.delegation.helper
        ]


async def _ask_other_servers(observation: _Observation) -> None:
    """Ask the remaining nameservers for the required records that are correct so far, if the budget allows it."""
    servers = _by_serial(observation.delegation)
    if observation.by_resolver or len(servers) <= 2:
        return
    right = [r for r in observation.records if r.need is Need.REQUIRED and _is_correct(observation, r)]
    asked = {(answer.question, answer.resolver) for answer in observation.host}
    queries = [
        Query(question_for(record), server.at, server.name, recursive=False)
        for server in servers
        for record in right
        if (question_for(record), server.name) not in asked
        and not any(is_within(record.name, cut) for cut in observation.cuts)
    ]
    answers = await observation.session.ask(queries)
    observation.host += await _follow(observation, [a for a in answers if not observation.session.is_over_budget(a)])


def _by_serial(delegation: Delegation) -> tuple[Server, ...]:
    """Order the servers so that neighbours differ in serial, if any do."""
    serials = {soa.resolver: serial_of(soa) for soa in delegation.soas}
    alive = sorted(delegation.responding, key=lambda server: serials.get(server.name, ""))
    return tuple(alive[::2] + alive[1::2]) if len(alive) > 2 and len(set(serials.values())) == 1 else tuple(alive)


def _at_host(observation: _Observation, question: Question, servers: Sequence[Server], turn: int) -> Query:
    if observation.by_resolver:
        helper = observation.delegation.helper
        return Query(question, helper, helper, unchecked=observation.delegation.is_unchecked)
    server = servers[turn % len(servers)]
    return Query(question, server.at, server.name, recursive=False)


async def _follow(observation: _Observation, answers: Sequence[Answer]) -> list[Answer]:
    """Follow referrals to the subzone's servers, and aliases to their targets."""
    referred = [answer for answer in answers if _is_below(answer.cut, observation.domain.zone, answer.question.name)]
    settled = [answer for answer in answers if answer not in referred]
    for answer in referred:
        settled += await _ask_subzone(observation, answer)
    return [await _behind_alias(observation, answer) for answer in settled]


async def _ask_subzone(observation: _Observation, referral: Answer) -> list[Answer]:
    servers = await dns_services.find_delegation(
        referral.servers, observation.delegation.helper, observation.net, observation.session
    )
    observation.cuts[referral.cut] = Cut(referral.cut, tuple(server.name for server in servers))
    queries = [Query(referral.question, s.at, s.name, recursive=False) for s in servers[:2] if s.at]
    return await observation.session.ask(queries) or [await _unreached(observation, referral)]


async def _unreached(observation: _Observation, referral: Answer) -> Answer:
    """Return the referral, or the failed lookup of a server's address: such a server may well answer."""
    helper = observation.delegation.helper
    named = [Question(name, kind) for name, address in referral.servers if not address for kind in ("A", "AAAA")]
    answers = await observation.session.ask([Query(question, helper, helper) for question in named])
    lost = [answer for answer in answers if answer.status is LookupStatus.FAILED]
    return replace(lost[0], question=referral.question) if lost else referral


async def _behind_alias(observation: _Observation, answer: Answer) -> Answer:
    """A nameserver does not follow an alias out of its zones, so ask a resolver."""
    if not answer.aliases or answer.status is not LookupStatus.FAILED:
        return answer
    helper = observation.delegation.helper
    followed = (await observation.session.ask([Query(answer.question, helper, helper)]))[0]
    return replace(answer, status=followed.status, values=followed.values, ttl=followed.ttl, error=followed.error)


def _is_correct(observation: _Observation, record: Record) -> bool:
    own = [answer for answer in observation.host if answer.question == question_for(record)]
    verdicts = {compare(record, answer).verdict for answer in own} - {Verdict.UNKNOWN}
    return verdicts == {Verdict.CORRECT}


def _in_public(observation: _Observation, records: Sequence[Record], resolvers: Sequence[str]) -> list[Query]:
    return [Query(question_for(record), at, at) for record in records for at in resolvers]


def _aliases(observation: _Observation, missing: Sequence[Record]) -> list[Question]:
    """Ask whether mail servers in the customer's own zone are aliases."""
    own = [
        host
        for answer in observation.host
        if answer.question.type == "MX" and answer.question in set(map(question_for, missing))
        for host in mx_hosts(answer.values)
        if host.endswith(f".{observation.domain.zone}")
    ]
    return [Question(host, "CNAME") for host in dict.fromkeys(own)][:2]


async def _ask_apex_token(observation: _Observation, missing: Sequence[Record]) -> None:
    """If the token is at the domain itself, ask whether public resolvers return it too."""
    for record in missing:
        apex = Question(observation.domain.ascii, "TXT")
        held = any(
            f"amazonses:{record.value}" in answer.values for answer in observation.host if answer.question == apex
        )
        if record.key == "identity" and held:
            both = [Query(q, at, at) for at in observation.net.resolvers for q in (question_for(record), apex)]
            observation.internet += await observation.session.ask(both)


async def _ask_unlisted_servers(observation: _Observation, missing: Sequence[Record]) -> None:
    if not missing or observation.by_resolver or not observation.delegation.unlisted:
        return
    named = [(name, "") for name in observation.delegation.unlisted]
    servers = await dns_services.find_delegation(
        named, observation.delegation.helper, observation.net, observation.session
    )
    wanted = [question_for(record) for record in missing]
    for some in (wanted[:ELSEWHERE], wanted[ELSEWHERE:]):
        queries = [Query(question, s.at, s.name, recursive=False) for s in servers if s.at for question in some]
        observation.elsewhere += await observation.session.ask(queries)
        held = {answer.resolver for answer in observation.elsewhere if answer.status is LookupStatus.FOUND}
        servers = tuple(server for server in servers if server.name in held)


SPF_DEPTH = 10  # levels of includes to follow: more than ten are an error
SPF_NAMES = 12  # per level


async def _follow_spf(observation: _Observation) -> None:
    """Ask for the SPF lines behind includes and for the names of other terms. SES's own record is known."""
    spf = [question_for(record) for record in observation.records if record.key in ("mail-from-spf", "apex-spf")]
    lines = [line for a in observation.host if a.question in spf for line in grammar.spf_records(a.values)]
    for _ in range(SPF_DEPTH):
        await _ask_void_lookups(observation, lines)
        inside = [name for line in lines for name in evaluation.included_names(line)]
        names = [name for name in dict.fromkeys(inside) if name not in (grammar.AMAZON, *observation.spf)]
        if not names:
            break
        answers = await _ask_helper(observation, [Question(name, "TXT") for name in names[:SPF_NAMES]])
        new = {a.question.name: grammar.spf_records(a.values) for a in answers}
        observation.spf |= new
        lines = [line for found in new.values() for line in found]


async def _ask_void_lookups(observation: _Observation, lines: Sequence[str]) -> None:
    pairs = dict.fromkeys(pair for line in lines for pair in evaluation.names_looked_up(line))
    new = [Question(*pair) for pair in pairs if pair not in (*observation.spf_absent, *observation.spf_present)]
    for answer in await _ask_helper(observation, new[:SPF_NAMES]):
        question, is_nothing = answer.question, is_void(answer.question.type, answer.status)
        (observation.spf_absent if is_nothing else observation.spf_present).append((question.name, question.type))


async def _ask_consent(observation: _Observation) -> None:
    """Ask whether other domains accept the reports that a DMARC record sends there."""
    dmarc = {question_for(record) for record in observation.records if record.key == "dmarc"}
    lines = [line for a in observation.host if a.question in dmarc for line in a.values if dmarc_core.is_dmarc(line)]
    foreign = dmarc_core.reports_elsewhere(lines, observation.domain.ascii)
    names = [dmarc_core.consent_name(observation.domain.ascii, address) for address in foreign]
    answers = await _ask_helper(observation, [Question(name, "TXT") for name in dict.fromkeys(names)][:CONSENTS])
    observation.consents += [(a.question.name, any(map(dmarc_core.is_dmarc, a.values))) for a in answers]


async def _ask_helper(observation: _Observation, questions: Sequence[Question]) -> list[Answer]:
    """Ask a resolver, which follows aliases. Failed lookups are left out."""
    at = observation.delegation.helper
    answers = await observation.session.ask([Query(question, at, at) for question in questions])
    return [answer for answer in answers if answer.status is not LookupStatus.FAILED]
