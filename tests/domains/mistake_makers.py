"""The functions that put a mistake into a correct zone, for mistakes that the sandbox's menu lacks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from domains.checking.core.judgement import Aspect, SesStatus
from domains.diagnosis.core.observations import RecordHistory, SesView
from tests.domains.dns_host import CONFIRMED, NOW, TOKEN, Host


def dot(host: Host) -> None:
    host.instead("identity", f"{TOKEN}.")


def records_at_registrar(host: Host) -> None:
    """Publish the records at the registrar's server, while the parent delegates to two others without them."""
    host.publish()
    records = host.store.records(host.zone)
    host.withdraw(*(record.key for record in host.records))
    host.store.override(host.zone, "ns.registrar.example", records)
    forget_server(host, "ns.registrar.example")


def forget_server(host: Host, server: str) -> None:
    for held in host.store.records(host.zone):
        if held.type == "NS" and held.value.rstrip(".") == server:
            host.store.remove_record(host.zone, held.id)


def draft(host: Host) -> None:
    host.withdraw("identity", "dkim-1")
    serial = next(held.value.split()[2] for held in host.store.records(host.zone) if held.type == "SOA")
    host.history = RecordHistory(
        serial=serial, serial_since=NOW - timedelta(hours=2), said_added_at=NOW - timedelta(minutes=30)
    )


def keys_swapped(host: Host) -> None:
    values = {key: host.record(key).value for key in ("dkim-1", "dkim-2", "dkim-3")}
    host.instead("dkim-1", values["dkim-2"])
    host.instead("dkim-2", values["dkim-3"])
    host.instead("dkim-3", values["dkim-1"])


def extra_value(key: str, value: str) -> Callable[[Host], None]:
    def make(host: Host) -> None:
        record = host.record(key)
        host.add(record.name, record.type, value)

    return make


def no_such_domain(host: Host) -> None:
    host.store.remove_zone(host.zone)
    host.history = RecordHistory(sisters=("exmaple.com", "other.org"))


def underscores(host: Host) -> None:
    host.withdraw("identity", "dkim-1", "dkim-2", "dkim-3", "dmarc")
    host.history = RecordHistory(failed_checks=2)


def underscore_dropped(host: Host) -> None:
    host.withdraw("identity")
    host.add("amazonses.example.com", "TXT", TOKEN)


def many_lookups(host: Host) -> None:
    includes = " ".join(f"include:spf{number}.vendor.example" for number in range(10))
    host.instead("mail-from-spf", f"v=spf1 include:amazonses.com {includes} ~all")


def nested_lookups(host: Host) -> None:
    inner = " ".join(f"a:host{number}.vendor.example" for number in range(9))
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.store.add_record("vendor.example", "spf.vendor.example", "TXT", f"v=spf1 {inner} -all")
    host.instead("mail-from-spf", "v=spf1 include:amazonses.com include:spf.vendor.example ~all")


def vendor(host: Host, *lines: str) -> None:
    """Let our SPF record include a vendor's name with this SPF record."""
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    for line in lines:
        host.store.add_record("vendor.example", "spf.vendor.example", "TXT", line, force=True)
    host.instead("mail-from-spf", "v=spf1 include:amazonses.com include:spf.vendor.example ~all")


def included(*lines: str) -> Callable[[Host], None]:
    return lambda host: vendor(host, *lines)


def void_lookups(host: Host) -> None:
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    gone = " ".join(f"a:gone{number}.vendor.example" for number in range(3))
    host.instead("mail-from-spf", f"v=spf1 include:amazonses.com {gone} ~all")


def no_consent(host: Host) -> None:
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.instead("dmarc", "v=DMARC1; p=none; rua=mailto:reports@vendor.example")


def text(key: str, value: str) -> Callable[[Host], None]:
    return lambda host: host.instead(key, value)


def in_use(host: Host) -> None:
    host.instead("mail-from-mx", "10 mx.mailer.example")


def flattened(host: Host) -> None:
    record = host.record("dkim-1")
    host.withdraw("dkim-1")
    host.add(record.name, "TXT", "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkg")


def pasted_key(host: Host) -> None:
    record = host.record("dkim-1")
    host.withdraw("dkim-1")
    host.add(record.name, "TXT", "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkg")


def forwarding(host: Host) -> None:
    host.instead("inbound-mx", "10 eforward1.registrar-servers.com")
    host.add(host.zone, "MX", "10 eforward2.registrar-servers.com")


def old_key(host: Host) -> None:
    host.instead("dkim-1", "zyxw9vuts8rqpo7nmlk6jihg5fedc4ba.dkim.amazonses.com")


def other_account(host: Host) -> None:
    host.instead("identity", "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj=")


def text_at_key(value: str, kind: str = "TXT") -> Callable[[Host], None]:
    def make(host: Host) -> None:
        host.withdraw("dkim-1")
        host.add(host.record("dkim-1").name, kind, value)

    return make


def dead_alias_at_apex(host: Host) -> None:
    host.withdraw("inbound-mx")
    host.add(host.zone, "CNAME", "gone.vendor.example", force=True)


def two_dmarc(host: Host) -> None:
    host.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")


def dmarc_at_apex(host: Host) -> None:
    host.withdraw("dmarc")
    host.add("example.com", "TXT", "v=DMARC1; p=none")


def dmarc_strict(host: Host) -> None:
    host.instead("dmarc", "v=DMARC1; p=reject")
    host.withdraw("dkim-1", "dkim-2", "dkim-3")


def mx_alias(host: Host) -> None:
    host.instead("inbound-mx", "10 mx.example.com")
    host.add("mx.example.com", "CNAME", host.record("inbound-mx").value)


def sub_zone(host: Host) -> None:
    """Delegate `_domainkey` to a vendor, whose zone doesn't have our keys."""
    host.withdraw("dkim-1", "dkim-2", "dkim-3")
    host.store.add_zone(f"_domainkey.{host.zone}", ("ns.vendor.example",))


def entered_as_ns(key: str, after: str = "") -> Callable[[Host], None]:
    """Enter the record's value with type NS, which delegates to a host that is no nameserver. `after`: appended."""

    def make(host: Host) -> None:
        record = host.record(key)
        host.withdraw(*(each.key for each in host.records if each.name == record.name))
        host.add(record.name, "NS", f"{record.value}{after}")

    return make


def dead_vendor(host: Host) -> None:
    """Delegate `_domainkey` to servers that don't exist, above the keys in this zone."""
    host.add(f"_domainkey.{host.zone}", "NS", "ns1.gone-vendor.example", force=True)
    host.add(f"_domainkey.{host.zone}", "NS", "ns2.gone-vendor.example", force=True)


def failing_vendor(fault: str) -> Callable[[Host], None]:
    """Delegate `_domainkey` to a vendor's servers that exist and fail."""

    def make(host: Host) -> None:
        sub_zone(host)
        host.store.set_fault(f"_domainkey.{host.zone}", fault, "ns.vendor.example")

    return make


def failing_alias(key: str, fault: str = "servfail") -> Callable[[Host], None]:
    """Replace the record with a CNAME whose target's servers fail."""

    def make(host: Host) -> None:
        record = host.record(key)
        host.withdraw(*(each.key for each in host.records if each.name == record.name))
        host.store.add_zone("vendor.example", ("ns1.vendor.example",))
        host.store.set_fault("vendor.example", fault)
        host.add(record.name, "CNAME", "policy.vendor.example")

    return make


def doubled_in_its_own_zone(host: Host) -> None:
    """Make the subdomain its own zone, where that host appended its name."""
    sub, record = host.facts.domain.ascii, host.record("identity")
    for each in host.records:
        host.withdraw(each.key)
    host.store.add_zone(sub, ("ns1.vendor.example",))
    for each in host.records:
        name = f"{each.name}.{sub}" if each.key == record.key else each.name
        value = each.value if each.priority is None else f"{each.priority} {each.value}"
        host.store.add_record(sub, name, each.type, value)


def dangling(key: str) -> Callable[[Host], None]:
    """Publish an alias to a vendor's name that doesn't exist."""

    def make(host: Host) -> None:
        record = host.record(key)
        for each in host.records:
            if each.name == record.name:
                host.withdraw(each.key)
        host.store.add_zone("vendor.example", ("ns.vendor.example",))
        host.add(record.name, "CNAME", "gone.vendor.example")

    return make


def dname(host: Host) -> None:
    """Redirect all names below the customer's subdomain to a vendor's, which doesn't have ours."""
    for record in host.records:
        if record.name != host.facts.domain.ascii:
            host.withdraw(record.key)
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.add(host.facts.domain.ascii, "DNAME", "gone.vendor.example")


def inherited_unsigned(host: Host) -> None:
    """Let the parent domain refuse unsigned mail, which the subdomain inherits."""
    host.withdraw("dmarc", "dkim-1", "dkim-2", "dkim-3")
    host.add(f"_dmarc.{host.zone}", "TXT", "v=DMARC1; p=reject")


def alias_alone(host: Host) -> None:
    """Publish an alias as a real DNS host requires: with nothing else at the name."""
    host.withdraw("mail-from-mx", "mail-from-spf")
    record = host.record("mail-from-mx")
    host.add(record.name, "CNAME", record.value)


def lapsed(host: Host) -> None:
    host.store.remove_zone(host.zone)
    host.history = RecordHistory(verified=(("identity", NOW - timedelta(days=40)),))


def gone(host: Host) -> None:
    host.withdraw("dkim-2")
    host.history = RecordHistory(verified=tuple((record.key, NOW - timedelta(days=2)) for record in host.records))


def moved_host(host: Host) -> None:
    host.withdraw(*(record.key for record in host.records))
    host.history = RecordHistory(
        verified=tuple((record.key, NOW - timedelta(days=2)) for record in host.records),
        nameservers=("ns1.old.example", "ns2.old.example"),
    )


def ses_status(status: SesStatus) -> Callable[[Host], None]:
    def make(host: Host) -> None:
        host.amazon = replace(CONFIRMED, statuses=((Aspect.IDENTITY, status), *CONFIRMED.statuses[1:]))

    return make


def held_elsewhere(host: Host) -> None:
    host.amazon = SesView(held_elsewhere=True)


def both_at_apex(host: Host) -> None:
    host.withdraw("identity")
    host.add(host.zone, "TXT", f"_amazonses={TOKEN}")


def both_as_name(host: Host) -> None:
    host.withdraw("identity")
    host.add(f"_amazonses={TOKEN}.{host.zone}".lower(), "TXT", TOKEN)
