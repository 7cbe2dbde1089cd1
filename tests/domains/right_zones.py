"""Correct zones of every kind: the diagnosis must find no mistake in them. In some, a record is not published yet,
and other domains have theirs in the same zone: then only our record is missing, whether or not we know about
the others.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from domains.diagnosis.core.findings import Diagnosis, DiagnosisFinding
from domains.records.core import IdentityFacts
from sandbox.dns.zones import ZoneStore
from tests.domains.dns_host import NAMESERVERS, Host, facts_of, serving, wanted_record


def _unchanged(host: Host) -> None:
    """Publish nothing more."""


@dataclass(frozen=True)
class CorrectZone:
    title: str
    name: str = "example.com"
    nameservers: tuple[str, ...] = NAMESERVERS
    make: Callable[[Host], None] = _unchanged
    wants_apex_spf: bool = False
    missing: tuple[str, ...] = ()


def _delegated(host: Host) -> None:
    """Put the keys into a subzone of another DNS host."""
    keys = [record for record in host.records if record.key.startswith("dkim-")]
    host.withdraw(*(record.key for record in keys))
    sub = f"_domainkey.{host.facts.domain.ascii}"
    host.store.add_zone(sub, ("ns1.vendor.example", "ns2.vendor.example"))
    for record in keys:
        host.store.add_record(sub, record.name, record.type, wanted_record(record).value)


def _delegated_here(host: Host) -> None:
    """Make a subzone at the same DNS host, so that there is no referral."""
    keys = [record for record in host.records if record.key.startswith("dkim-")]
    host.withdraw(*(record.key for record in keys))
    sub = f"_domainkey.{host.facts.domain.ascii}"
    host.store.add_zone(sub, NAMESERVERS)
    for record in keys:
        host.store.add_record(sub, record.name, record.type, record.value)


def _delegated_whole(host: Host) -> None:
    """Make the subdomain its own zone at another DNS host."""
    for record in host.records:
        host.withdraw(record.key)
    sub = host.facts.domain.ascii
    host.store.add_zone(sub, ("ns1.vendor.example", "ns2.vendor.example"))
    for record in host.records:
        value = record.value if record.priority is None else f"{record.priority} {record.value}"
        host.store.add_record(sub, record.name, record.type, value)


def _with_a_parent(host: Host) -> None:
    host.store.add_zone("com", ("a.registry.example", "b.registry.example"))


def _with_neighbours(host: Host) -> None:
    """Add what a usual zone has next to ours: other TXT records, a wildcard and a website at the apex."""
    zone = host.zone
    host.add(zone, "TXT", "google-site-verification=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
    host.add(zone, "TXT", "v=verifydomain MS=1234567")
    host.add(f"*.{zone}", "A", "192.0.2.80")
    host.add(zone, "A", "192.0.2.80")
    host.add(f"_amazonses.{zone}", "TXT", "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj=")
    host.add(f"bounce.{zone}", "TXT", "some-other-proof=1")


def _backup_mx(host: Host) -> None:
    host.add(host.zone, "MX", "50 backup.mail.example")


def _other_priority(host: Host) -> None:
    host.instead("inbound-mx", f"0 {host.record('inbound-mx').value.upper()}")


def _long_text(host: Host) -> None:
    """Publish TXT records of several strings next to ours."""
    host.add(host.zone, "TXT", "k" * 700)
    host.add(f"_amazonses.{host.zone}", "TXT", "x" * 600)


def _split_text(host: Host) -> None:
    value = host.record("identity").value
    host.instead("identity", f'"{value[:20]}" "{value[20:]}"')


def _other_proof(host: Host) -> None:
    """Publish the proof for DNS hosts that do not allow underscores."""
    host.withdraw("identity")
    host.add(host.facts.domain.ascii, "TXT", f"amazonses:{host.record('identity').value}")


def _merged_spf(host: Host) -> None:
    line = "v=spf1 include:_spf.google.com include:amazonses.com -all"
    host.store.add_zone("google.com", ("ns.google.example",))
    host.store.add_record("google.com", "_spf.google.com", "TXT", "v=spf1 ip4:192.0.2.0/24 ~all")
    host.instead("apex-spf", line)
    host.instead("mail-from-spf", "v=spf1 mx include:amazonses.com -all")


def _own_dmarc(host: Host) -> None:
    host.instead("dmarc", "v=DMARC1; p=reject; rua=mailto:dmarc@example.com")


def _behind_an_alias(host: Host) -> None:
    """Delegate DMARC to a vendor by a CNAME."""
    host.withdraw("dmarc")
    host.store.add_zone("vendor.example", ("ns.vendor.example",))
    host.store.add_record("vendor.example", "example-com.vendor.example", "TXT", "v=DMARC1; p=quarantine")
    host.add(f"_dmarc.{host.zone}", "CNAME", "example-com.vendor.example")


def _with_parent_policy(text: str) -> Callable[[Host], None]:
    """Let the subdomain inherit its DMARC policy."""

    def make(host: Host) -> None:
        host.withdraw("dmarc")
        host.add(f"_dmarc.{host.zone}", "TXT", text)

    return make


OTHER_TOKEN = "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj="
OTHER_DKIM = (
    "zyxw9vuts8rqpo7nmlk6jihg5fedc4ba",
    "yxwv8utsr7qpon6mlkj5ihgf4edcb3az",
    "xwvu7tsrq6ponm5lkji4hgfe3dcba2zy",
)


def facts_of_neighbour(name: str) -> IdentityFacts:
    """Return the facts of another domain, with MTA-STS and the same common values."""
    tokens = {"verification_token": OTHER_TOKEN, "dkim_tokens": OTHER_DKIM}
    return facts_of(name, wants_mta_sts=True, dmarc_reports_to="reports@example.com", **tokens)


def _with_records_of(*names: str, known: bool = True) -> Callable[[Host], None]:
    """Publish records of other domains in the zone. `known`: they are in our database, of any customer."""

    def make(host: Host) -> None:
        for name in names:
            other = Host(host.store, facts_of_neighbour(name))
            other.publish()
            known_now = (*host.history.others, *(other.records if known else ()))
            host.history = replace(host.history, others=known_now)

    return make


def _flattened_apex(host: Host) -> None:
    """Publish a website by an ALIAS at the apex, which the DNS host answers with addresses."""
    host.add(host.zone, "A", "104.21.32.10")
    host.add(host.zone, "AAAA", "2606:4700:3030::6815:200a")


def _with_registry_policy(host: Host) -> None:
    host.withdraw("dmarc")
    host.store.add_zone("com", ("a.registry.example",))
    host.store.add_record("com", "_dmarc.com", "TXT", "v=DMARC1; p=quarantine; psd=y")


CLOUDFLARE = ("amy.ns.cloudflare.com", "bob.ns.cloudflare.com")
AWS = tuple(f"ns-{number}.awsdns-{number}.{end}" for number, end in ((1, "com"), (2, "net"), (3, "org"), (4, "co.uk")))
ALL_THERE = (
    CorrectZone("plain"),
    CorrectZone("with SPF at the domain", wants_apex_spf=True),
    CorrectZone("a sub-domain", "mail.example.com"),
    CorrectZone("a deep sub-domain of co.uk", "a.shop.example.co.uk"),
    CorrectZone("co.uk", "example.co.uk"),
    CorrectZone("com.au", "example.com.au"),
    CorrectZone("IDN", "xn--bcher-kva.example.com"),
    CorrectZone("an IDN at the top", "xn--bcher-kva.com"),
    CorrectZone("delegated _domainkey", make=_delegated),
    CorrectZone("delegated _domainkey of a sub-domain", "mail.example.com", make=_delegated),
    CorrectZone("a sub-domain delegated whole", "mail.example.com", make=_delegated_whole),
    CorrectZone("a sub-zone at the same host", make=_delegated_here),
    CorrectZone("asked of the parent", make=_with_a_parent),
    CorrectZone("Cloudflare", nameservers=CLOUDFLARE),
    CorrectZone("Route 53", nameservers=AWS),
    CorrectZone("Route 53, with SPF and a parent", nameservers=AWS, wants_apex_spf=True, make=_with_a_parent),
    CorrectZone("one name server", nameservers=NAMESERVERS[:1]),
    CorrectZone("no name servers to be seen", nameservers=()),
    CorrectZone("honest neighbours", make=_with_neighbours),
    CorrectZone("a backup behind ours", make=_backup_mx),
    CorrectZone("another priority, in capitals", make=_other_priority),
    CorrectZone("long texts", make=_long_text),
    CorrectZone("ours in two strings", make=_split_text),
    CorrectZone("the proof at the domain itself", make=_other_proof),
    CorrectZone("merged SPF", wants_apex_spf=True, make=_merged_spf),
    CorrectZone("DMARC of one's own", make=_own_dmarc),
    CorrectZone("DMARC behind an alias", make=_behind_an_alias),
    CorrectZone("DMARC inherited", "mail.example.com", make=_with_parent_policy("v=DMARC1; p=reject; adkim=s")),
    CorrectZone(
        "DMARC inherited by sp",
        "shop.example.co.uk",
        make=_with_parent_policy("v=DMARC1; p=reject; sp=quarantine; np=reject"),
    ),
    CorrectZone("DMARC of the registry", make=_with_registry_policy),
    CorrectZone("an alias at the domain that its host flattens", nameservers=CLOUDFLARE, make=_flattened_apex),
    CorrectZone("a parent of ours", "shop.example.com", make=_with_records_of("example.com")),
    CorrectZone(
        "a child and a grandchild in the zone", make=_with_records_of("shop.example.com", "eu.shop.example.com")
    ),
)
TRANSPORT = ("mta-sts", "tls-rpt")
OWN = ("identity", "dkim-1", "dkim-2", "dkim-3", "inbound-mx", *TRANSPORT)
BOUNCES = ("mail-from-mx", "mail-from-spf")
PARENT, SHOP, DEEP = "example.com", "shop.example.com", "eu.shop.example.com"
UNFINISHED = tuple(
    CorrectZone(
        f"{name} without {', '.join(missing)} beside {' and '.join(others)}{'' if known else ' of others'}",
        name,
        make=_with_records_of(*others, known=known),
        missing=missing,
    )
    for name, others, missing, known in (
        *((SHOP, (PARENT,), missing, False) for missing in (BOUNCES, TRANSPORT, (*OWN, *BOUNCES))),
        (SHOP, (PARENT,), (*BOUNCES, *TRANSPORT), True),
        (DEEP, (PARENT, SHOP, "eu.example.com"), (*BOUNCES, *TRANSPORT), False),
        (PARENT, (SHOP, DEEP), (*OWN, *BOUNCES), True),
        ("a.example.com", ("b.example.com", "bounce.example.com"), BOUNCES, False),
    )
)
CORRECT_ZONES = (*ALL_THERE, *UNFINISHED)


def host_of(right: CorrectZone, store: ZoneStore) -> Host:
    transport = {"wants_mta_sts": True, "dmarc_reports_to": "reports@example.com"} if right.missing else {}
    facts = facts_of(right.name, wants_apex_spf=right.wants_apex_spf, **transport)
    host = Host(store, facts, right.nameservers)
    host.open()
    host.publish()
    host.withdraw(*right.missing)
    right.make(host)
    return host


def build_correct_host(right: CorrectZone) -> Host:
    """Return the host without serving it."""
    return host_of(right, ZoneStore())


def diagnose_zone(right: CorrectZone) -> Diagnosis:
    with serving() as (store, server, address):
        return host_of(right, store).diagnose(server, address)


def unexpected_codes(right: CorrectZone, found: Diagnosis) -> tuple[DiagnosisFinding, ...]:
    """Return all findings except those that expected records are missing."""
    missing = {("dns.absent", key) for key in right.missing}
    missing |= {("dns.name.spf_at_apex", key) for key in right.missing if key == "mail-from-spf"}  # the same finding
    return tuple(finding for finding in found.findings if (finding.code, finding.record_key) not in missing)
