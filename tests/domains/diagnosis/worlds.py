"""Random DNS content: a correct zone with any number of mistakes, and the observations of it, without a server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from domains.diagnosis.core.observations import (
    NOTHING_KNOWN,
    UNUSED_LABEL,
    Cut,
    Observations,
    RecordHistory,
    probes,
)
from domains.dns.core import Answer, LookupStatus, Question, further_questions, question_for, rival_question
from domains.names.core import DomainName
from domains.policies.core import dmarc_questions
from domains.records.core import IdentityFacts, Record, records_for
from domains.spf.core import evaluation, grammar
from tests.domains.dns_host import DKIM, NOW, TOKEN, facts_of
from tests.domains.failed_lookups import FOLLOWED, LANES

NAMES = ("example.com", "shop.example.co.uk")
SERVERS, RESOLVERS = ("ns1.host.example", "ns2.host.example"), ("192.0.2.53", "192.0.2.54")
ERRORS = ("no answer within 2 seconds", "SERVFAIL", "REFUSED", "nonsense", "an alias to x.example.net, SERVFAIL")
SOA = "ns1.host.example. hostmaster.example. {serial} 3600 600 604800 60"
OTHER_KEY = "zyxw9vuts8rqpo7nmlk6jihg5fedc4ba"
ODD = {
    "MX": (
        *("0 .", "10 mx.mailer.example", "1 aspmx.l.google.com", "10 192.0.2.1", "10 localhost", "5 mail.example.com"),
        *("10 inbound-smtp.eu-west-1.amazonaws.com", "10 feedback-smtp.us-east-1.amazonses.com", "10 amazonses.com"),
        *("10 inbound-smtp.us-east-1.amazonaws.com", "10 eforward1.registrar-servers.com", "20 mx2.mailer.example"),
    ),
    "CNAME": (f"{OTHER_KEY}.dkim.amazonses.com", f"{DKIM[0]}.dkim.amazonses.com", "ghs.example.net", "amazonses.com"),
    "TXT": (
        *(
            "v=spf1 -all",
            "v=spf1 include:spf.vendor.example ~all",
            "v=spf1 include:amazonses.com ~all",
            "v=spf1 mx +all",
        ),
        *(
            "v=spf1 ip4:300.1.1.1 -all",
            "v=spf1 include=amazonses.com ~all",
            "v=spf1 include:amazonses.com ip4=192.0.2.1 -all",
            "v=spf1 -all include:amazonses.com",
        ),
        *("v=DMARC1; p=reject", "v=DMARC1; p=quarantine; rua=mailto:r@vendor.example", "v=DMARC1; p=rejct", "v=dmarc1"),
        *(
            f"amazonses:{TOKEN}",
            TOKEN.lower(),
            f"{TOKEN[:-1]}x",
            "ZZ" + TOKEN[2:],
            f"_amazonses={TOKEN}",
            "amazonses.com",
            "some-verification=1",
            TOKEN[:30],
        ),
    ),
}
KINDS = st.sampled_from(
    "right right right absent odd beside spoilt doubled apex underscore swapped type alias dangling cname".split()
)


@dataclass
class World:
    """The answers by name and type, the same at each server. `aliases` map names to names."""

    facts: IdentityFacts
    held: dict[Question, tuple[str, ...]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    wildcards: dict[Question, tuple[str, ...]] = field(default_factory=dict)
    has_forgotten_server: bool = False  # the parent does not list this one, and it has all records
    is_cut: bool = False  # the MAIL FROM name is in a delegated zone

    @property
    def records(self) -> tuple[Record, ...]:
        return records_for(self.facts)

    def add(self, name: str, kind: str, *values: str) -> None:
        question = Question(name, kind)
        self.held[question] = (*self.held.get(question, ()), *values)

    @property
    def older(self) -> "World":
        """Return what an outdated server still has: an earlier zone with fewer names."""
        held = dict(list(self.held.items())[:4])
        return World(self.facts, {**held, Question(self.facts.domain.zone, "SOA"): (SOA.format(serial=6),)})

    def answer(self, question: Question, who: str) -> Answer:
        name, passed = question.name, list[str]()
        while name in self.aliases and question.type != "CNAME" and len(passed) < 5:
            name = self.aliases[name]
            passed.append(name)
        values = self.held.get(Question(name, question.type)) or self._caught(name, question.type)
        if question.type == "CNAME" and name in self.aliases:
            values = (self.aliases[name],)
        is_there = values or any(each.name == name for each in self.held) or name in self.aliases
        status = LookupStatus.FOUND if values else LookupStatus.NO_DATA if is_there else LookupStatus.NO_NAME
        return Answer(question, who, status, values, 300, aliases=tuple(passed), authoritative=who in SERVERS)

    def _caught(self, name: str, kind: str) -> tuple[str, ...]:
        above = name.partition(".")[2]
        is_alone = not any(each.name == name for each in self.held) and name not in self.aliases
        return self.wildcards.get(Question(f"*.{above}", kind), ()) if is_alone else ()


def shown(record: Record) -> str:
    return record.value if record.priority is None else f"{record.priority} {record.value}"


def world_of(facts: IdentityFacts, **instead: tuple[str, ...]) -> World:
    """Return a correct world, with other values for the records of these keys ("_" for "-")."""
    world = World(facts)
    world.add(facts.domain.zone, "SOA", SOA.format(serial=7))
    for record in world.records:
        world.add(record.name, record.type, *instead.get(record.key.replace("-", "_"), (shown(record),)))
    return world


@st.composite
def worlds(draw: st.DrawFn) -> World:
    reports_to = draw(st.sampled_from(("", "reports@example.com")))
    facts = facts_of(draw(st.sampled_from(NAMES)), wants_apex_spf=draw(st.booleans()), dmarc_reports_to=reports_to)
    world = World(facts, has_forgotten_server=draw(st.booleans()), is_cut=draw(st.integers(0, 5)) == 0)
    world.add(facts.domain.zone, "SOA", SOA.format(serial=7))
    for record in world.records:
        _publish(draw, world, record, draw(KINDS))
    for question in dmarc_questions(facts.domain)[1:]:
        if draw(st.integers(0, 5)) == 0:
            world.add(question, "TXT", draw(st.sampled_from(("v=DMARC1; p=reject", "v=DMARC1; p=none"))))
    if draw(st.integers(0, 4)) == 0:
        _catch_all(draw, world)
    return world


def _catch_all(draw: st.DrawFn, world: World) -> None:
    record = draw(st.sampled_from(world.records))
    odd = draw(st.sampled_from((*ODD[record.type], shown(record))))
    world.wildcards[Question(f"*.{record.name.partition('.')[2]}", record.type)] = (odd,)


def _publish(draw: st.DrawFn, world: World, record: Record, kind: str) -> None:
    """Add the record, or that mistake instead of it."""
    places, name, domain = _places(record, world.facts.domain), record.name, world.facts.domain
    odd = draw(st.sampled_from(ODD[record.type]))
    if kind in places:
        world.add(places[kind], record.type, shown(record))
    elif kind in ("right", "beside"):
        world.add(name, record.type, shown(record), *((odd,) if kind == "beside" else ()))
    elif kind == "odd":
        world.add(name, record.type, *dict.fromkeys([odd, draw(st.sampled_from(ODD[record.type]))]))
    elif kind == "spoilt":
        world.add(name, record.type, draw(st.sampled_from(_spoilt(record, domain))))
    elif kind == "swapped":
        world.add(f"{record.value}.{domain.zone}".lower(), record.type, f"10 {name}" if record.type == "MX" else name)
    elif kind == "type":
        other = "TXT" if record.type != "TXT" else "CNAME"
        world.add(name, other, shown(record))
    elif kind == "alias":
        world.aliases[name] = f"x{len(world.aliases)}.example.net"
        world.add(world.aliases[name], record.type, draw(st.sampled_from((shown(record), odd))))
    elif kind == "dangling":
        world.aliases[name] = "gone.example.net"
    elif kind == "cname":
        world.add(name, record.type, shown(record))
        world.add(name, "CNAME" if record.type != "CNAME" else "TXT", "web.example.net")


def _places(record: Record, domain: DomainName) -> Mapping[str, str]:
    return {
        "doubled": f"{record.name}.{domain.zone}",
        "apex": domain.zone,
        "underscore": record.name.replace("_", ""),
    }


def _spoilt(record: Record, domain: DomainName) -> tuple[str, ...]:
    value = shown(record)
    spoilt = (
        f"“{value}”",
        value[:-4],
        f"{value}.{domain.zone}",
        value.upper(),
        f"{value[:9]} {value[9:]}",
        f"{value}.",
    )
    return (*spoilt, value[:12] + "q" + value[13:], f"10 {value}")


HISTORIES = st.builds(
    lambda known, gone, said, looks: RecordHistory(
        verified=tuple((key, NOW - timedelta(days=2)) for key in sorted(known)),
        nameservers=("ns.before.example",) if gone else SERVERS,
        serial="7",
        serial_since=NOW - timedelta(hours=2),
        said_added_at=NOW - timedelta(minutes=30) if said else None,
        failed_checks=looks,
    ),
    st.sets(st.sampled_from(("identity", "dkim-1", "inbound-mx", "mail-from-spf", "dmarc"))),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
) | st.just(NOTHING_KNOWN)


def seen_in(world: World, behind: str | None = None) -> Observations:
    """Return observations as `observe` collects them. The server or resolver that is `behind` has the old content."""
    facts, records = world.facts, world.records
    zone = facts.domain.zone
    plain = [question_for(record) for record in records]
    questions = list(dict.fromkeys((*plain, *_others(world), Question(facts.domain.ascii, "TXT"))))

    def said(question: Question, who: str) -> Answer:
        return (world.older if who == behind else world).answer(question, who)

    soa = Question(zone, "SOA")
    seen = Observations(
        zone=zone,
        records=records,
        servers=SERVERS,
        soas=tuple(said(soa, who) for who in SERVERS),
        public_soas=tuple(said(soa, who) for who in RESOLVERS),
        parent=(Answer(Question(zone, "NS"), "parent", LookupStatus.NO_DATA, cut=zone),),
        host=tuple(
            said(question, who) for question in questions for who in (SERVERS if question in plain else SERVERS[:1])
        ),
        internet=tuple(said(question, who) for question in plain for who in RESOLVERS),
        dmarc=tuple((name, world.held.get(Question(name, "TXT"), ())) for name in dmarc_questions(facts.domain)[1:]),
        elsewhere=tuple(_right(record) for record in records) if world.has_forgotten_server else (),
        cuts=(Cut(facts.mail_from, ("ns.other.example",)),) if world.is_cut else (),
        consents=(("example.com._report._dmarc.vendor.example", False),),
    )
    return replace(seen, **_followed(seen))


def _right(record: Record) -> Answer:
    return Answer(question_for(record), "ns.registrar.example", LookupStatus.FOUND, (shown(record),), 300)


def _others(world: World) -> Iterator[Question]:
    """Return the further questions of a diagnosis that finds something missing."""
    for record in world.records:
        yield from (probe.question for probe in probes(record, world.facts.domain))
        yield rival_question(record)
        yield from further_questions(record, world.facts.domain)
        for value in world.held.get(question_for(record), ()) if record.type == "MX" else ():
            yield Question(value.partition(" ")[2].rstrip(".") or UNUSED_LABEL, "CNAME")


def _followed(seen: Observations) -> dict[str, Any]:
    lines = [line for name in seen.policies.spf.values() for line in name if not grammar.parse(line).problems]
    inside = dict.fromkeys(name for line in lines for name in evaluation.included_names(line))
    looked_up = dict.fromkeys(pair for line in lines for pair in evaluation.names_looked_up(line))
    found = ("v=spf1 ip4:192.0.2.1 -all",)
    return {"spf": tuple((name, found) for name in inside), "spf_present": tuple(looked_up)}


def places_in(seen: Observations) -> list[tuple[str, int]]:
    """Return everything that might have failed, as lane and number.

    A cut isn't included: the referral reports it, and if that fails there is no answer for the names below either.
    """
    lanes = (*LANES, *FOLLOWED)
    return [(lane, at) for lane in lanes if lane != "cuts" for at in range(len(getattr(seen, lane)))]


def with_failures(seen: Observations, failed: Mapping[tuple[str, int], str]) -> Observations:
    """Return the observations with these places failed. A followed question that failed is left out."""
    changed: dict[str, Any] = {}
    for lane in {lane for lane, _ in failed}:
        kept = []
        for at, answer in enumerate(getattr(seen, lane)):
            if (lane, at) not in failed:
                kept.append(answer)
            elif lane in LANES:
                kept.append(Answer(answer.question, answer.resolver, LookupStatus.FAILED, error=failed[lane, at]))
        changed[lane] = tuple(kept)
    return replace(seen, **changed)
