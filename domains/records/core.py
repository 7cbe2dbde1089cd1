"""Derives the DNS records that a domain needs from its identity, and applies what staff expect instead. Pure.

Names and values follow the SES developer guide. An expectation removes a record or names another inbound host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from domains.dmarc.core import AppliedPolicy
from domains.names.core import DomainName, parse_domain
from domains.policies import core as policies_core
from domains.policies.core import PublishedPolicies
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.partitions import has_known_mail_hosts

# SES receives mail only in these regions (General Reference, read in August 2026). A list, never a pattern:
# every DNS host would accept the host name of a region that does not receive, and all mail would be lost.
RECEIVING_REGIONS = frozenset(
    region
    for line in (
        "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 af-south-1 me-south-1 il-central-1",
        "eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1 eu-south-1",
        "ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 ap-southeast-2 ap-southeast-3",
    )
    for region in line.split()
)
MX_PRIORITY = 10
# These have their own zone for DKIM keys (General Reference, read in 2026). SESv2 reports each identity's zone.
OWN_DKIM_ZONE = frozenset(
    "af-south-1 ap-northeast-3 ap-south-2 ap-southeast-3 ap-southeast-5 ca-west-1 eu-central-2 eu-south-1"
    " il-central-1 me-central-1 us-gov-east-1".split()
)

# "mail" is excluded: it is the most common name of a webmail, and its MX may be in use.
_MAIL_FROM_LABELS = ("bounce", "mailfrom", "ses-bounce", "bounce-ses", "ses-mailfrom")


class Purpose(StrEnum):
    """In the order in which a page shows them."""

    OWNERSHIP = "ownership"
    SIGNING = "signing"
    BOUNCES = "bounces"
    RECEIVING = "receiving"
    RECOMMENDED = "recommended"


class Need(StrEnum):
    REQUIRED = "required"
    OPTIONAL = "optional"
    RECOMMENDED = "recommended"
    LATER = "later"  # not to be published yet; checked, because SES would reject the mail that it routes here


CLAIM_KEY = "challenge"  # proves ownership to us, before SES is asked
TITLES = {
    Purpose.OWNERSHIP: ("Ownership", "Proves to Amazon SES that you own the domain."),
    Purpose.SIGNING: ("DKIM", "Lets receivers verify that mail from your domain is genuine."),
    Purpose.BOUNCES: (
        "MAIL FROM domain (bounces)",
        "Uses a subdomain of your domain as the return address, to which bounces go.",
    ),
    Purpose.RECEIVING: ("Inbound mail (MX)", "Routes incoming mail to Amazon SES."),
    Purpose.RECOMMENDED: ("Recommended", "Improves deliverability and protects against spoofing."),
}
LABELS = {
    "identity": "Ownership (TXT)",
    CLAIM_KEY: "Ownership challenge",
    "inbound-mx": "Inbound MX",
    "mail-from-mx": "MAIL FROM MX",
    "mail-from-spf": "MAIL FROM SPF",
    "apex-spf": "SPF",
    "dmarc": "DMARC",
    "mta-sts": "MTA-STS",
    "tls-rpt": "TLS-RPT",
}


class RecordAction(StrEnum):
    """What somebody must do at the DNS host for one record. CHECK: nobody can tell, because its lookup failed."""

    ADD = "add"
    EDIT = "edit"
    REPLACE = "replace"
    REMOVE = "remove"
    CHECK = "check"


_REMOVE = (
    "dns.rival.cname",
    "dns.rival.null_mx",
    "dns.rival.null_mx_beside",
    "dns.rival.mail_from_mx",
    "dns.alias.dangling",
    "dns.name.apex_mx",
)
_REPLACE = ("dns.value.wrong_type", "dns.rival.other_type", "dns.value.pasted_key", "dns.name.swapped", "dns.name.apex")
_ADD = ("dns.absent", "dns.value.other_token", "dns.rival.wildcard", "dns.dmarc.own_reports", "dns.alias.dname")


def action_of(code: str, found: Sequence[str]) -> RecordAction:
    """Return the action for a code: add if nothing is at the name, edit a record, or remove a conflicting one."""
    if code in _REMOVE:
        return RecordAction.REMOVE
    if code in _REPLACE:
        return RecordAction.REPLACE
    return RecordAction.ADD if not found or code in _ADD else RecordAction.EDIT


@dataclass(frozen=True)
class Record:
    """`name` is absolute. Neither it nor `value` ends in a dot. `value` has no quotes. `priority` is for MX.

    `value` is "" if there is nothing to publish, for the reason in `withheld`. `note` says why a record that is usually
    required is not, or that its value is uncertain. `others` are the values of the domain's other DKIM records.
    `inherited` is the DMARC policy that applies while the domain has no record; `is_inherited_known` is False if it
    could not be looked up. `reports_to` receives DMARC's aggregate reports.
    """

    key: str
    purpose: Purpose
    need: Need
    type: str
    name: str
    value: str
    priority: int | None = None
    withheld: str = ""
    note: str = ""
    others: tuple[str, ...] = ()
    inherited: AppliedPolicy | None = None
    is_inherited_known: bool = True
    reports_to: str = ""

    @property
    def with_priority(self) -> str:
        """Return the value, for MX after its priority. "" if no value is offered."""
        return self.value if self.priority is None or not self.value else f"{self.priority} {self.value}"

    @property
    def is_unnecessary(self) -> bool:
        """Return True if the record is usually required, but not here, for the reason in `note`."""
        return self.purpose is Purpose.OWNERSHIP and self.need is Need.OPTIONAL


@dataclass(frozen=True)
class IdentityFacts:
    """What is known about a domain; "" or () means "not known yet" or "not wanted".

    `mail_from` is an absolute name. `policies` is the domain's published SPF and DMARC. `dmarc_reports_to` receives
    DMARC's daily reports. `receiving`: the domain's own MX is required; `receiving_below`: the MX of these subdomains,
    "*.example.com" for all. `verified_by_dkim`: SES has verified the domain, and its DKIM records alone are enough.
    """

    domain: DomainName
    region: str
    verification_token: str = ""
    verified_by_dkim: bool = False
    dkim_tokens: tuple[str, ...] = ()
    dkim_zone: str = ""
    mail_from: str = ""
    receiving: bool = False
    receiving_below: tuple[str, ...] = ()
    wants_apex_spf: bool = False
    wants_dmarc: bool = False
    dmarc_reports_to: str = ""
    wants_mta_sts: bool = False
    policies: PublishedPolicies = policies_core.NOTHING_KNOWN


def can_receive(region: str) -> bool:
    """Return True if SES receives mail in this region."""
    return region in RECEIVING_REGIONS


def inbound_host(region: str) -> str:
    """Return the host that receives mail. Raises ValueError for a region without receiving."""
    if not can_receive(region):
        raise ValueError(f"SES can't receive mail in {region}")
    return f"inbound-smtp.{region}.amazonaws.com"


def records_for(facts: IdentityFacts) -> tuple[Record, ...]:
    """Return the records in the order of `Purpose`. Records whose content is not known yet are left out."""
    return (*_ownership(facts), *_signing(facts), *_mail_from(facts), *_receiving(facts), *_recommended(facts))


def mail_from_candidates(domain: DomainName) -> tuple[str, ...]:
    """Return absolute MAIL FROM names in order of preference. Use the first one that has no DNS records."""
    return tuple(f"{label}.{domain.ascii}" for label in _MAIL_FROM_LABELS)


USUAL_ZONE = "SES hasn't reported the zone of this key. This is the usual value in {region}."
NO_HOST = "We don't know the MAIL FROM host of {region}. The SES console shows it."
NO_ZONE = "SES hasn't reported the zone of this key, and we don't know the usual zone in {region}."


def usual_dkim_zone(region: str) -> str:
    """Return the zone of SES's DKIM keys in a region; "" in a partition whose host names we do not know."""
    if not region or not has_known_mail_hosts(region):
        return ""
    return f"dkim.{region}.amazonses.com" if region in OWN_DKIM_ZONE else "dkim.amazonses.com"


MTA_STS, TLS_RPT = "v=STSv1", "v=TLSRPTv1"
MTA_STS_NOTE = (
    "Optional. It asks other mail servers to encrypt mail to you. First have a text file published at "
    "https://mta-sts.{name}/.well-known/mta-sts.txt, with these lines: {policy}. Then add this record."
)
BY_DKIM = "SES has verified the domain by its DKIM records."
VERIFIED_BY_DKIM = "SES has verified the domain by its DKIM records, so this record isn't needed."


def _ownership(facts: IdentityFacts) -> tuple[Record, ...]:
    """This record or DKIM verifies a domain. Until one does, both are required."""
    if not facts.verification_token:
        return ()
    name = f"_amazonses.{facts.domain.ascii}"
    need, note = (Need.OPTIONAL, VERIFIED_BY_DKIM) if facts.verified_by_dkim else (Need.REQUIRED, "")
    return (Record("identity", Purpose.OWNERSHIP, need, "TXT", name, facts.verification_token, note=note),)


def _signing(facts: IdentityFacts) -> tuple[Record, ...]:
    """Each identity has its own zone, which only SESv2 (SigningHostedZone) reports. Until then, the region's counts."""
    zone, note, withheld = facts.dkim_zone, "", ""
    if not zone:
        zone = usual_dkim_zone(facts.region)
        note = USUAL_ZONE.format(region=facts.region) if zone else ""
        withheld = "" if zone else NO_ZONE.format(region=facts.region)
    values = [f"{token}.{zone}" if zone else "" for token in facts.dkim_tokens]
    return tuple(
        Record(
            f"dkim-{number}",
            Purpose.SIGNING,
            Need.REQUIRED,
            "CNAME",
            f"{token}._domainkey.{facts.domain.ascii}",
            value,
            withheld=withheld,
            note=note,
            others=tuple(other for other in values if other != value),
        )
        for number, (token, value) in enumerate(zip(facts.dkim_tokens, values, strict=True), start=1)
    )


def _mail_from(facts: IdentityFacts) -> tuple[Record, ...]:
    if not facts.mail_from:
        return ()
    is_known = has_known_mail_hosts(facts.region)
    feedback = f"feedback-smtp.{facts.region}.amazonses.com" if is_known else ""
    withheld = "" if is_known else NO_HOST.format(region=facts.region)
    mx = Record("mail-from-mx", Purpose.BOUNCES, Need.REQUIRED, "MX", facts.mail_from, feedback, MX_PRIORITY, withheld)
    spf = Record("mail-from-spf", Purpose.BOUNCES, Need.REQUIRED, "TXT", facts.mail_from, "")
    return (mx, with_policy(spf, facts))


def _receiving(facts: IdentityFacts) -> tuple[Record, ...]:
    if not can_receive(facts.region):
        return ()
    own = (facts.domain.ascii,) if facts.receiving else ()
    return tuple(mx_record(name, facts.domain, facts.region) for name in (*own, *facts.receiving_below))


INBOUND_MX = "inbound-mx"


def mx_record(name: str, domain: DomainName, region: str, need: Need = Need.REQUIRED) -> Record:
    """Return the MX that routes mail for a name to SES. Raises ValueError in a region without receiving."""
    return Record(mx_key(name, domain), Purpose.RECEIVING, need, "MX", name, inbound_host(region), MX_PRIORITY)


def mx_key(name: str, domain: DomainName) -> str:
    if name == domain.ascii:
        return INBOUND_MX
    return f"{INBOUND_MX}-{name.removesuffix(f'.{domain.ascii}').replace('*', '_any')}"


def is_inbound(key: str) -> bool:
    """Return True if the record is an inbound MX, of the domain itself or of a name below it."""
    return key == INBOUND_MX or key.startswith(f"{INBOUND_MX}-")


def _recommended(facts: IdentityFacts) -> tuple[Record, ...]:
    name, wanted = facts.domain.ascii, []
    if facts.wants_apex_spf:
        wanted.append(Record("apex-spf", Purpose.RECOMMENDED, Need.RECOMMENDED, "TXT", name, ""))
    if facts.wants_dmarc:
        own = policies_core.dmarc_name(name)
        wanted.append(Record("dmarc", Purpose.RECOMMENDED, Need.RECOMMENDED, "TXT", own, ""))
    return (*(with_policy(record, facts) for record in wanted), *_transport(facts))


def _transport(facts: IdentityFacts) -> tuple[Record, ...]:
    """Return the records that ask senders to use TLS (MTA-STS, RFC 8461) and to report failures (TLS-RPT, RFC 8460)."""
    if not (facts.wants_mta_sts and facts.receiving and can_receive(facts.region)):
        return ()
    name = facts.domain.ascii
    note = MTA_STS_NOTE.format(name=name, policy=mta_sts_policy(facts.region).replace("\n", " · "))
    sts = Record(
        "mta-sts", Purpose.RECOMMENDED, Need.OPTIONAL, "TXT", f"_mta-sts.{name}", f"{MTA_STS}; id=1", note=note
    )
    if not facts.dmarc_reports_to:
        return (sts,)
    value = f"{TLS_RPT}; rua=mailto:{facts.dmarc_reports_to}"
    return (sts, Record("tls-rpt", Purpose.RECOMMENDED, Need.RECOMMENDED, "TXT", f"_smtp._tls.{name}", value))


def mta_sts_policy(region: str) -> str:
    """Return the policy file to host with the record. "testing" changes no delivery; "enforce" comes later."""
    return f"version: STSv1\nmode: testing\nmx: {inbound_host(region)}\nmax_age: 86400"


def label_of(record: Record) -> str:
    """Return the record's label on pages."""
    if record.key.startswith("dkim-"):
        return f"DKIM record {record.key[-1]}"
    if is_inbound(record.key) and record.key not in LABELS:
        return f"Inbound MX of {record.name}"
    return LABELS[record.key]


def purpose_of(record: Record) -> str:
    """Return what the record is for. The claim's proves the ownership to us, before SES is asked."""
    if record.key == CLAIM_KEY:
        return "Proves to us that you own the domain. Setup in Amazon SES starts after that."
    return TITLES[record.purpose][1]


SPF_KEYS = ("mail-from-spf", "apex-spf")


def with_policy(record: Record, facts: IdentityFacts) -> Record:
    """Return an SPF or DMARC record with the value to offer, given what its DNS has today. Others are unchanged."""
    if record.key in SPF_KEYS:
        offer = policies_core.offered_spf(record.name, facts.policies, is_apex=record.key == "apex-spf")
        return replace(record, value=offer.value, withheld=offer.withheld)
    if record.key != "dmarc":
        return record
    offer = policies_core.offered_dmarc(facts.domain, facts.dmarc_reports_to, facts.policies)
    try:
        above, is_known = policies_core.inherited_policy(facts.domain, facts.policies), True
    except ValueError:
        above, is_known = None, False
    shown = replace(record, inherited=above, is_inherited_known=is_known, reports_to=facts.dmarc_reports_to)
    return replace(shown, value=offer.value, withheld=offer.withheld)


# What SES itself requires (ownership, DKIM, MAIL FROM) is not here: the domain cannot work without it.
EXPECTABLE = {
    "inbound-mx": "Inbound MX",
    "apex-spf": "SPF",
    "dmarc": "DMARC",
}
WITH_VALUE = ("inbound-mx",)  # others are compared by meaning, so a different value makes no sense


@dataclass(frozen=True)
class RecordExpectation:
    """An empty `value` means that the record is not required. `by` is who decided, `at` when, in ISO 8601."""

    key: str
    value: str
    because: str
    by: str
    at: str

    @property
    def title(self) -> str:
        return EXPECTABLE.get(self.key, self.key)


def parse_expected_host(key: str, value: str) -> str:
    """Return the value to store; "" if the record is not required. Raises Refused."""
    if key not in EXPECTABLE:
        raise Refused("Amazon SES requires that record, so it can't have an exception.")
    if not value.strip():
        return ""
    if key not in WITH_VALUE:
        raise Refused(
            f"Only the inbound MX can have a different value. {EXPECTABLE[key]} can only be required or not required."
        )
    return parse_domain(value.strip().rstrip(".")).domain.ascii


def apply_expectations(records: Sequence[Record], expected: Mapping[str, RecordExpectation]) -> tuple[Record, ...]:
    """Return the records with the expected values, without those that are not required."""
    kept = (record for record in records if record.key not in expected or expected[record.key].value)
    return tuple(replace(r, value=expected[r.key].value) if r.key in expected else r for r in kept)
