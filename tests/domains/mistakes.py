"""A zone for each mistake, and right zones of all kinds, as the sandbox's DNS serves them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from domains.checking.core.judgement import Aspect, SesStatus
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import AmazonView, Observations, RecordHistory
from domains.dns.services import Asker, Net
from domains.dns_observation.services import observe
from domains.names.core import DomainName
from domains.policies import core as policies_core
from domains.policies.core import PublishedPolicies
from domains.records.core import IdentityFacts, Record, records_for
from domains.spf.core import evaluation
from domains.spf.core.evaluation import SpfNames
from sandbox.dns import mistakes
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NAMESERVERS = ("ns1.host.example", "ns2.host.example")
TOKEN = "AbCdEfGh0123456789ijKLmnopQRstuvWXyzABCDEFG="
DKIM = ("abcd1efgh2ijkl3mnop4qrst5uvwx6yz", "bcde2fghi3jklm4nopq5rstu6vwxy7za", "cdef3ghij4klmn5opqr6stuv7wxyz8ab")
CONFIRMED = AmazonView(
    statuses=tuple((aspect, SesStatus.SUCCESS) for aspect in (Aspect.IDENTITY, Aspect.DKIM, Aspect.MAIL_FROM)),
    looked_at=NOW - timedelta(minutes=5),
    soa="ns1.host.example 7",
)


def facts_of(name: str = "example.com", **changes: object) -> IdentityFacts:
    facts = IdentityFacts(
        domain=DomainName.stored(name),
        region="us-east-1",
        verification_token=TOKEN,
        dkim_tokens=DKIM,
        dkim_zone="dkim.amazonses.com",
        mail_from=f"bounce.{name}",
        receiving=True,
        wants_dmarc=True,
        policies=nothing_published(name),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]  # names as the caller writes them


def nothing_published(name: str) -> PublishedPolicies:
    """As after a look that found no SPF and no DMARC, at the domain and above."""
    domain = DomainName.stored(name)
    return PublishedPolicies(spf={name: ()}, dmarc=dict.fromkeys(policies_core.dmarc_questions(domain), ()))


def all_found(*lines: str) -> SpfNames:
    """As after a look at which everything in the SPF lines was there; behind their includes are plain addresses."""
    inside = {name: ("v=spf1 ip4:192.0.2.1 -all",) for line in lines for name in evaluation.names_inside(line)}
    return SpfNames(inside, present=frozenset(pair for line in lines for pair in evaluation.names_looked_up(line)))


class Host:
    """The DNS host of one domain, and whoever looks at it."""

    def __init__(self, store: ZoneStore, facts: IdentityFacts, nameservers: Sequence[str] = NAMESERVERS) -> None:
        self.store, self.facts = store, facts
        self.zone = facts.domain.zone
        self.amazon, self.history = CONFIRMED, RecordHistory()
        self.resolvers: tuple[str, ...] = ()
        self.nameservers = tuple(nameservers)

    @property
    def records(self) -> tuple[Record, ...]:
        return records_for(self.facts)

    def record(self, key: str) -> Record:
        return next(record for record in self.records if record.key == key)

    def open(self) -> None:
        self.store.add_zone(self.zone, self.nameservers)
        self.store.add_record(self.zone, f"www.{self.zone}", "A", "192.0.2.80")

    def publish(self, *keys: str) -> None:
        """All, or those named."""
        wanted = [wanted_of(record) for record in self.records if not keys or record.key in keys]
        mistakes.publish_missing(self.store, self.zone, tuple(wanted))

    def withdraw(self, *keys: str) -> None:
        for record in map(self.record, keys):
            for held in self.store.records(self.zone):
                if (held.name, held.type) == (record.name, record.type):
                    self.store.remove_record(self.zone, held.id)

    def add(self, name: str, kind: str, value: str, *, ttl: int = 300, force: bool = False) -> None:
        self.store.add_record(self.zone, name, kind, value, ttl, force=force)

    def instead(self, key: str, value: str) -> None:
        """Something else at a record's place."""
        record = self.record(key)
        self.withdraw(key)
        self.add(record.name, record.type, value)

    def mistake(self, key: str, code: str) -> None:
        mistakes.apply(self.store, self.zone, wanted_of(self.record(key)), code)

    def observe(
        self, server: DnsServer, address: tuple[str, int], *, timeout: float = 1.5, seconds: float = 10.0
    ) -> Observations:
        server.bind_nameservers()
        resolver = f"{address[0]}:{address[1]}"
        net = Net(self.resolvers or (resolver,), port=address[1], private=True)
        asking = Asker(timeout=timeout, seconds=seconds)
        return asyncio.run(observe(self.facts.domain, self.records, net, asking))

    def observe_at(self, resolver: str, port: int) -> Observations:
        """By another resolver, and name servers at that port of their addresses."""
        net, asking = Net((resolver,), port=port, private=True), Asker(timeout=1.0, seconds=10.0)
        return asyncio.run(observe(self.facts.domain, self.records, net, asking))

    def diagnose(
        self, server: DnsServer, address: tuple[str, int], *, timeout: float = 1.5, seconds: float = 10.0
    ) -> Diagnosis:
        seen = self.observe(server, address, timeout=timeout, seconds=seconds)
        return self.told(seen)

    def told(self, seen: Observations) -> Diagnosis:
        """By what was seen alone: nothing is known of before."""
        facts = replace(self.facts, policies=policies_core.NOTHING_KNOWN)
        return diagnose(facts, seen, self.amazon, NOW, self.history)


def wanted_of(record: Record) -> WantedRecord:
    return WantedRecord(record.key, record.type, record.name, record.value, record.priority)


@contextmanager
def serving() -> Iterator[tuple[ZoneStore, DnsServer, tuple[str, int]]]:
    store = ZoneStore()
    server = DnsServer(store)
    address = server.start()
    try:
        yield store, server, address
    finally:
        server.stop()


@dataclass(frozen=True)
class Scene:
    """A mistake made in a zone that is right otherwise; `code` is what must be found."""

    mistake: str
    code: str
    make: Callable[[Host], None]
    name: str = "example.com"
    about: str = ""

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.mistake, self.code, self.about)))


def _menu(mistake: str, code: str, key: str, made: str, name: str = "example.com") -> Scene:
    return Scene(mistake, code, lambda host: host.mistake(key, made), name, f"{key} {made}")


SUB = "shop.example.co.uk"
FROM_MENU = (
    _menu("M01", "dns.name.doubled_zone", "identity", "name.doubled_zone"),
    _menu("M01", "dns.name.doubled_zone", "dkim-2", "name.doubled_zone", SUB),
    _menu("M01", "dns.name.doubled_zone", "inbound-mx", "name.doubled_zone", SUB),
    _menu("M01", "dns.name.doubled_zone", "mail-from-spf", "name.doubled_zone"),
    _menu("M02", "dns.value.zone_appended", "dkim-1", "value.appended_zone"),
    _menu("M02", "dns.value.zone_appended", "inbound-mx", "value.appended_zone"),
    _menu("M02", "dns.value.zone_appended", "mail-from-mx", "value.appended_zone"),
    _menu("M04", "dns.name.apex", "identity", "name.apex"),
    _menu("M04", "dns.name.apex_mx", "mail-from-mx", "name.apex", SUB),
    _menu("M05", "dns.name.wrong_parent", "dkim-1", "name.wrong_parent", SUB),
    _menu("M05", "dns.name.wrong_parent", "identity", "name.wrong_parent", SUB),
    _menu("M09", "dns.value.quoted", "identity", "value.quoted"),
    _menu("M09", "dns.value.quoted", "identity", "value.curly_quotes"),
    _menu("M10", "dns.value.cut", "identity", "value.cut"),
    _menu("M11", "dns.value.typo", "dkim-3", "value.mistyped"),
    _menu("M11", "dns.value.typo", "identity", "value.mistyped"),
    _menu("M11", "dns.value.typo", "mail-from-mx", "value.mistyped"),
    _menu("M12", "dns.name.swapped", "dkim-1", "name.swapped"),
    _menu("M12", "dns.name.swapped", "inbound-mx", "name.swapped", SUB),
    _menu("M13", "dns.value.wrong_type", "dkim-1", "type.cname_as_txt"),
    _menu("M13", "dns.value.wrong_type", "inbound-mx", "type.mx_as_cname", SUB),
    _menu("M13", "dns.value.wrong_type", "mail-from-mx", "type.mx_as_cname"),
    _menu("M14", "dns.value.case", "identity", "value.lower_cased"),
    _menu("M16", "dns.value.priority_inside", "inbound-mx", "value.priority_inside"),
    _menu("M17", "dns.value.spaces", "identity", "value.invisible"),
    _menu("M18", "dns.rival.spf", "mail-from-spf", "rival.second_spf"),
    _menu("M19", "dns.name.spf_at_apex", "mail-from-spf", "name.apex"),
    _menu("M21", "dns.rival.mx", "inbound-mx", "rival.better_mx"),
    _menu("M22", "dns.rival.mail_from_mx", "mail-from-mx", "rival.two_mx"),
    _menu("M24", "dns.rival.cname", "dkim-1", "rival.cname_beside"),
    _menu("M24", "dns.rival.cname", "identity", "rival.cname_beside"),
    _menu("M25", "dns.rival.proxied", "dkim-2", "rival.proxied"),
    _menu("M27", "dns.rival.wildcard", "identity", "rival.wildcard"),
    _menu("M27", "dns.rival.wildcard", "dkim-1", "rival.wildcard"),
    _menu("M28", "dns.value.other_region", "inbound-mx", "value.other_region"),
    _menu("M28", "dns.value.other_region", "mail-from-mx", "value.other_region"),
    _menu("M30", "dns.rival.null_mx", "inbound-mx", "value.null_mx"),
    _menu("M30", "dns.value.ip", "inbound-mx", "value.mx_to_ip"),
    _menu("M32", "dns.server.disagree", "inbound-mx", "zone.disagree"),
    _menu("M32", "dns.server.disagree", "dkim-3", "zone.disagree"),
    _menu("M33", "dns.dnssec.broken", "identity", "zone.bogus"),
    _menu("M35", "dns.server.silent", "identity", "zone.servfail"),
    _menu("M35", "dns.server.silent", "identity", "zone.silent"),
    _menu("M35", "dns.server.lame", "identity", "zone.lame"),
)


def _dot(host: Host) -> None:
    host.instead("identity", f"{TOKEN}.")


def _elsewhere(host: Host) -> None:
    """The registrar's server has the records; the parent names two others, which do not."""
    host.publish()
    records = host.store.records(host.zone)
    host.withdraw(*(record.key for record in host.records))
    host.store.override(host.zone, "ns.registrar.example", records)
    _forget_server(host, "ns.registrar.example")


def _forget_server(host: Host, server: str) -> None:
    for held in host.store.records(host.zone):
        if held.type == "NS" and held.value.rstrip(".") == server:
            host.store.remove_record(host.zone, held.id)


def _draft(host: Host) -> None:
    host.withdraw("identity", "dkim-1")
    serial = next(held.value.split()[2] for held in host.store.records(host.zone) if held.type == "SOA")
    host.history = RecordHistory(
        serial=serial, serial_since=NOW - timedelta(hours=2), said_added_at=NOW - timedelta(minutes=30)
    )


def _keys_swapped(host: Host) -> None:
    values = {key: host.record(key).value for key in ("dkim-1", "dkim-2", "dkim-3")}
    host.instead("dkim-1", values["dkim-2"])
    host.instead("dkim-2", values["dkim-3"])
    host.instead("dkim-3", values["dkim-1"])


def _beside(key: str, value: str) -> Callable[[Host], None]:
    def make(host: Host) -> None:
        record = host.record(key)
        host.add(record.name, record.type, value)

    return make


def _no_such(host: Host) -> None:
    host.store.remove_zone(host.zone)
    host.history = RecordHistory(sisters=("exmaple.com", "other.org"))


def _underscores(host: Host) -> None:
    host.withdraw("identity", "dkim-1", "dkim-2", "dkim-3", "dmarc")
    host.history = RecordHistory(failed_looks=2)


def _underscore_dropped(host: Host) -> None:
    host.withdraw("identity")
    host.add("amazonses.example.com", "TXT", TOKEN)


def _many_lookups(host: Host) -> None:
    includes = " ".join(f"include:spf{number}.vendor.example" for number in range(10))
    host.instead("mail-from-spf", f"v=spf1 include:amazonses.com {includes} ~all")


def _nested_lookups(host: Host) -> None:
    inner = " ".join(f"a:host{number}.vendor.example" for number in range(9))
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.store.add_record("vendor.example", "spf.vendor.example", "TXT", f"v=spf1 {inner} -all")
    host.instead("mail-from-spf", "v=spf1 include:amazonses.com include:spf.vendor.example ~all")


def _vendor(host: Host, *lines: str) -> None:
    """A vendor's name that our SPF record includes, and what SPF it has."""
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    for line in lines:
        host.store.add_record("vendor.example", "spf.vendor.example", "TXT", line, force=True)
    host.instead("mail-from-spf", "v=spf1 include:amazonses.com include:spf.vendor.example ~all")


def _included(*lines: str) -> Callable[[Host], None]:
    return lambda host: _vendor(host, *lines)


def _void_lookups(host: Host) -> None:
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    gone = " ".join(f"a:gone{number}.vendor.example" for number in range(3))
    host.instead("mail-from-spf", f"v=spf1 include:amazonses.com {gone} ~all")


def _no_consent(host: Host) -> None:
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.instead("dmarc", "v=DMARC1; p=none; rua=mailto:reports@vendor.example")


def _text(key: str, value: str) -> Callable[[Host], None]:
    return lambda host: host.instead(key, value)


def _in_use(host: Host) -> None:
    host.instead("mail-from-mx", "10 mx.mailer.example")


def _flattened(host: Host) -> None:
    record = host.record("dkim-1")
    host.withdraw("dkim-1")
    host.add(record.name, "TXT", "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkg")


def _pasted_key(host: Host) -> None:
    record = host.record("dkim-1")
    host.withdraw("dkim-1")
    host.add(record.name, "TXT", "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkg")


def _forwarding(host: Host) -> None:
    host.instead("inbound-mx", "10 eforward1.registrar-servers.com")
    host.add(host.zone, "MX", "10 eforward2.registrar-servers.com")


def _old_key(host: Host) -> None:
    host.instead("dkim-1", "zyxw9vuts8rqpo7nmlk6jihg5fedc4ba.dkim.amazonses.com")


def _other_account(host: Host) -> None:
    host.instead("identity", "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj=")


def _two_dmarc(host: Host) -> None:
    host.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")


def _dmarc_at_apex(host: Host) -> None:
    host.withdraw("dmarc")
    host.add("example.com", "TXT", "v=DMARC1; p=none")


def _dmarc_strict(host: Host) -> None:
    host.instead("dmarc", "v=DMARC1; p=reject")
    host.withdraw("dkim-1", "dkim-2", "dkim-3")


def _mx_alias(host: Host) -> None:
    host.instead("inbound-mx", "10 mx.example.com")
    host.add("mx.example.com", "CNAME", host.record("inbound-mx").value)


def _sub_zone(host: Host) -> None:
    """`_domainkey` belongs to a vendor, where our keys are not."""
    host.withdraw("dkim-1", "dkim-2", "dkim-3")
    host.store.add_zone(f"_domainkey.{host.zone}", ("ns.vendor.example",))


def _doubled_in_its_own_zone(host: Host) -> None:
    """The sub-domain is a zone of its own, and that host added its name."""
    sub, record = host.facts.domain.ascii, host.record("identity")
    for each in host.records:
        host.withdraw(each.key)
    host.store.add_zone(sub, ("ns1.vendor.example",))
    for each in host.records:
        name = f"{each.name}.{sub}" if each.key == record.key else each.name
        value = each.value if each.priority is None else f"{each.priority} {each.value}"
        host.store.add_record(sub, name, each.type, value)


def _dangling(key: str) -> Callable[[Host], None]:
    """An alias to a name of a vendor that does not exist."""

    def make(host: Host) -> None:
        record = host.record(key)
        for each in host.records:
            if each.name == record.name:
                host.withdraw(each.key)
        host.store.add_zone("vendor.example", ("ns.vendor.example",))
        host.add(record.name, "CNAME", "gone.vendor.example")

    return make


def _dname(host: Host) -> None:
    """All names below the customer's sub-domain lead to a vendor's, where ours are not."""
    for record in host.records:
        if record.name != host.facts.domain.ascii:
            host.withdraw(record.key)
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.add(host.facts.domain.ascii, "DNAME", "gone.vendor.example")


def _inherited_unsigned(host: Host) -> None:
    """The domain above refuses what is not signed, and the sub-domain inherits that."""
    host.withdraw("dmarc", "dkim-1", "dkim-2", "dkim-3")
    host.add(f"_dmarc.{host.zone}", "TXT", "v=DMARC1; p=reject")


def _alias_alone(host: Host) -> None:
    """As a real DNS host lets one enter it: with the alias nothing else can be at the name."""
    host.withdraw("mail-from-mx", "mail-from-spf")
    record = host.record("mail-from-mx")
    host.add(record.name, "CNAME", record.value)


def _lapsed(host: Host) -> None:
    host.store.remove_zone(host.zone)
    host.history = RecordHistory(verified=(("identity", NOW - timedelta(days=40)),))


def _gone(host: Host) -> None:
    host.withdraw("dkim-2")
    host.history = RecordHistory(verified=tuple((record.key, NOW - timedelta(days=2)) for record in host.records))


def _moved(host: Host) -> None:
    host.withdraw(*(record.key for record in host.records))
    host.history = RecordHistory(
        verified=tuple((record.key, NOW - timedelta(days=2)) for record in host.records),
        nameservers=("ns1.old.example", "ns2.old.example"),
    )


def _amazon(status: SesStatus) -> Callable[[Host], None]:
    def make(host: Host) -> None:
        host.amazon = replace(CONFIRMED, statuses=((Aspect.IDENTITY, status), *CONFIRMED.statuses[1:]))

    return make


def _held(host: Host) -> None:
    host.amazon = AmazonView(held_elsewhere=True)


def _both_at_apex(host: Host) -> None:
    host.withdraw("identity")
    host.add(host.zone, "TXT", f"_amazonses={TOKEN}")


def _both_as_name(host: Host) -> None:
    host.withdraw("identity")
    host.add(f"_amazonses={TOKEN}.{host.zone}".lower(), "TXT", TOKEN)


OURS = "v=spf1 include:amazonses.com"
BY_HAND = (
    Scene("M13", "dns.value.wrong_type", _alias_alone, about="alias alone"),
    Scene("M01", "dns.name.doubled_zone", _doubled_in_its_own_zone, "mail.example.com", "in a zone of its own"),
    Scene("M03", "dns.value.dot", _dot),
    Scene("M06", "dns.host.elsewhere", _elsewhere),
    Scene("M07", "dns.time.unpublished", _draft),
    Scene("M08", "dns.domain.no_such", _no_such),
    Scene("M15", "dns.name.underscore", _underscores, about="all refused"),
    Scene("M50", "dns.name.underscore_forgotten", _underscore_dropped),
    Scene("M20", "dns.value.spf_lookups", _many_lookups),
    Scene("M20", "dns.value.spf_lookups", _nested_lookups, about="inside of an include"),
    *(
        Scene(
            "M39",
            "dns.value.spf_syntax",
            _text("mail-from-spf", f"{OURS} {term} ~all"),
            about=term,
        )
        for term in ("ip4:2001:db8::1", "ip4:192.0.2.0/99", "a:", "include:x;", "exists:%{q}.example.com", "sender")
    ),
    Scene(
        "M39",
        "dns.value.spf_syntax",
        _text("mail-from-spf", "v=spf1; mx a -all"),
        about="version",
    ),
    Scene("M52", "dns.value.spf_equals", _text("mail-from-spf", "v=spf1 mx include=amazonses.com -all")),
    Scene("M52", "dns.spf.ignored", _text("mail-from-spf", f"{OURS} include=vendor.example -all"), about="another's"),
    *(
        Scene("M53", "dns.value.name_inside", _text("identity", text), about=text)
        for text in (f"_amazonses={TOKEN}", f"_amazonses: {TOKEN}", f"_amazonses.example.com TXT {TOKEN}")
    ),
    Scene("M53", "dns.value.name_inside", _both_at_apex, about="at the domain"),
    Scene("M53", "dns.value.name_inside", _both_as_name, "mail.example.com", "as the name"),
    *(
        Scene("M54", "dns.value.spf_part", _text("mail-from-spf", text), about=text)
        for text in ("amazonses.com", "include:amazonses.com ~all")
    ),
    Scene("M40", "dns.value.spf_include", _included(), about="none"),
    Scene("M40", "dns.value.spf_include", _included("v=spf1 -all", "v=spf1 mx -all"), about="two"),
    Scene("M40", "dns.value.spf_include", _included("v=spf1 ip4:300.1.1.1 -all"), about="broken"),
    Scene("M41", "dns.value.spf_voids", _void_lookups),
    *(
        Scene("M42", "dns.value.dmarc_syntax", _text("dmarc", text), about=text)
        for text in (
            *("v=dmarc1; p=reject", "v=DMARC1\\; p=reject", "p=reject; v=DMARC1", "v=DMARC1 p=reject"),
            *("v=DMARC1; p=none; rua=reports@example.com", "v=DMARC1; pct=50; p=reject", "v=DMARC1; p=none; sp=all"),
        )
    ),
    Scene("M43", "dns.value.dmarc_consent", _no_consent),
    Scene("M23", "dns.rival.mail_from_in_use", _in_use),
    Scene("M25", "dns.value.flattened", _flattened),
    Scene("M55", "dns.value.pasted_key", _pasted_key),
    Scene(
        "M52", "dns.spf.ignored", _text("mail-from-spf", f"{OURS} redirect=spf.vendor.example -all"), about="redirect"
    ),
    Scene("M39", "dns.value.spf_syntax", _text("mail-from-spf", f"TXT {OURS} ~all"), about="a word before it"),
    Scene("M42", "dns.value.dmarc_syntax", _text("dmarc", "p=reject"), about="no version"),
    Scene("M26", "dns.rival.forwarding", _forwarding),
    Scene("M28", "dns.value.old_key", _old_key),
    Scene("M28", "dns.value.other_token", _other_account),
    Scene("M29", "dns.rival.dmarc", _two_dmarc),
    Scene("M29", "dns.name.dmarc", _dmarc_at_apex),
    Scene("M29", "dns.value.dmarc_strict", _dmarc_strict),
    Scene("M29", "dns.value.dmarc_strict", _inherited_unsigned, SUB, "inherited"),
    *(
        Scene("M45", "dns.value.amazon_other_host", _text(key, value), about=f"{key} {value}")
        for key, value in (
            ("inbound-mx", "10 email-smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 feedback-smtp.eu-west-1.amazonses.com"),
            ("mail-from-mx", "10 inbound-smtp.us-east-1.amazonaws.com"),
            ("mail-from-mx", "10 email-smtp.us-east-1.amazonaws.com"),
            ("dkim-1", "inbound-smtp.us-east-1.amazonaws.com"),
        )
    ),
    *(
        Scene("M11", "dns.value.typo", _text(key, value), about=value)
        for key, value in (
            ("inbound-mx", "10 amazonses.com"),
            ("inbound-mx", "10 smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound-smtp.us-east-1.amazonaws.com.cn"),
            ("mail-from-mx", "10 amazonses.com"),
            ("dkim-1", "abcd1efgh2ijkl3mnop4qrst5uvwx6yz.domainkey.amazonses.com"),
            ("mail-from-mx", "10 feedback.us-east-1.amazonses.com"),
            ("mail-from-mx", "10 feedback-smtp.amazonses.com"),
            ("mail-from-mx", "10 fedback-smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound-smtp.amazonaws.com"),
        )
    ),
    Scene("M46", "dns.value.keys_swapped", _keys_swapped),
    Scene("M17", "dns.value.spaces", _text("identity", f'" {TOKEN}"'), about="space before"),
    Scene("M17", "dns.value.spaces", _text("identity", f'"{TOKEN} "'), about="space behind"),
    Scene("M47", "dns.rival.null_mx_beside", _beside("inbound-mx", "0 ."), about="inbound"),
    Scene("M47", "dns.rival.null_mx_beside", _beside("mail-from-mx", "0 ."), about="mail from"),
    *(
        Scene("M28", "dns.value.other_region", _beside("inbound-mx", value), about=f"beside ours {value}")
        for value in ("10 inbound-smtp.eu-west-1.amazonaws.com", "5 inbound-smtp.eu-west-1.amazonaws.com")
    ),
    Scene("M48", "dns.rival.mx_shared", _beside("inbound-mx", "10 mx.mailer.example")),
    *(
        Scene("M49", "dns.value.impossible_host", _text(key, value), about=f"{key} {value}")
        for key, value in (
            ("inbound-mx", "10 localhost"),
            ("inbound-mx", "10 mail"),
            ("inbound-mx", "10 https://www.example.net"),
            ("mail-from-mx", "10 bounce.example.com"),
            ("mail-from-mx", "10 localhost"),
        )
    ),
    Scene("M44", "dns.alias.dangling", _dangling("dmarc"), about="dmarc"),
    Scene("M44", "dns.alias.dangling", _dangling("identity"), about="identity"),
    Scene("M44", "dns.alias.dangling", _dangling("mail-from-spf"), about="mail from"),
    Scene("M51", "dns.alias.dname", _dname, "mail.example.com"),
    Scene("M30", "dns.value.mx_alias", _mx_alias),
    Scene("M34", "dns.delegation.sub_zone", _sub_zone),
    Scene("M35", "dns.domain.lapsed", _lapsed),
    Scene("M36", "dns.change.gone", _gone),
    Scene("M36", "dns.change.nameservers", _moved),
    Scene("M37", "amazon.behind", _amazon(SesStatus.PENDING)),
    Scene("M37", "amazon.gave_up", _amazon(SesStatus.FAILED)),
    Scene("M37", "amazon.lost", _amazon(SesStatus.TEMPORARY_FAILURE)),
    Scene("M38", "amazon.held_elsewhere", _held),
)
SPREADING = Scene("M31", "dns.spreading", lambda host: None)  # a second resolver has what was there before
SCENES = (*FROM_MENU, *BY_HAND, SPREADING)


def observed(scene: Scene) -> tuple[Host, Observations]:
    """The host in whose zone the mistake was made, and what was seen of it."""
    with serving() as (store, server, address):
        servers = ("ns.registrar.example", NAMESERVERS[0]) if scene.code == "dns.host.elsewhere" else NAMESERVERS
        host = Host(store, facts_of(scene.name), servers)
        host.open()
        host.publish()
        scene.make(host)
        return host, host.observe(server, address, timeout=0.1 if "zone." in scene.about else 1.5)


def built(scene: Scene) -> Host:
    """The host in whose zone the mistake was made, served by nobody."""
    servers = ("ns.registrar.example", *NAMESERVERS) if scene.code == "dns.host.elsewhere" else NAMESERVERS
    host = Host(ZoneStore(), facts_of(scene.name), servers)
    host.open()
    host.publish()
    scene.make(host)
    return host


def play(scene: Scene) -> Diagnosis:
    """The diagnosis of a zone in which the mistake was made."""
    with serving() as (store, server, address):
        servers = ("ns.registrar.example", *NAMESERVERS) if scene.code == "dns.host.elsewhere" else NAMESERVERS
        host = Host(store, facts_of(scene.name), servers)
        host.open()
        host.publish()
        scene.make(host)
        timeout = 0.1 if scene.about.endswith(("silent", "servfail", "lame")) else 1.5
        if scene is not SPREADING:
            return host.diagnose(server, address, timeout=timeout)
        with serving() as (older, _, other):
            older.add_zone(host.zone)
            host.resolvers = (f"{address[0]}:{address[1]}", f"{other[0]}:{other[1]}")
            return host.diagnose(server, address)
