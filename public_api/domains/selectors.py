"""Read domains and receiving for the published API: its coarser statuses, filters and counts, in few queries."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from django.db.models import Count, Q, QuerySet, Value

from accounts.people.selectors import Viewer
from audit.selectors import last_changed
from domains.checking.core.judgement import SesStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import of_own_name
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.ownership import core as ownership_core
from domains.receiving.core import DELIVERED, MX_POINTS_HERE, MxFact, Receiving, ReceivingState
from domains.records.core import Need, Record, is_inbound
from inbound_admin.lib.filters import in_values, searched
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.lists import exactly
from receipt_rules.addresses import selectors as addresses_selectors
from receipt_rules.live.selectors import content_of, last_known, takes_effect
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.models.runs import PendingChange

Published = Literal["verified", "pending", "failed"]

# SES's v1 words, which the contract has; "" (not read, or no answer) is none of them.
SES_WORDS = {
    SesStatus.PENDING: "Pending",
    SesStatus.SUCCESS: "Success",
    SesStatus.FAILED: "Failed",
    SesStatus.TEMPORARY_FAILURE: "TemporaryFailure",
    SesStatus.NOT_STARTED: "NotStarted",
}
# Whichever record verified it: what Amazon calls a success is verified, and what it does not know any more has failed.
BY_AMAZON = Q(stage=Stage.READY, identity_status=SesStatus.SUCCESS)
FAILED = (
    Q(stage=Stage.READY)
    & ~BY_AMAZON
    & (Q(identity_status__in=(SesStatus.FAILED, SesStatus.NOT_STARTED)) | Q(dkim_status=SesStatus.FAILED))
)
_ONCE = Q(stage=Stage.READY, verified_at__isnull=False) & ~Q(identity_status=SesStatus.PENDING)
VERIFIED = BY_AMAZON | (_ONCE & ~FAILED)
STATUS = {"verified": VERIFIED, "failed": FAILED, "pending": ~VERIFIED & ~FAILED}
MX = "inbound-mx"
# A lookup that failed takes nothing away: where we can't tell now, mail arrived when we last could.
ARRIVING = (ReceivingState.LIVE, ReceivingState.COPIED, ReceivingState.MTA_STS)

Checks = Mapping[str, RecordCheck]


def ses_word(status: str) -> str | None:
    """Return the SES status, or None if unknown."""
    return SES_WORDS.get(SesStatus(status))


def ses_answered(domain: Domain) -> bool:
    """Return whether SES answered at the last check. That it has no such identity is an answer, of its time."""
    if not domain.is_gone:
        return not domain.ses_problem
    asked, read = domain.last_dns_check, domain.last_ses_check
    return asked is None or (read is not None and read >= asked)


def mail_from_word(name: str, status: str) -> Published | None:
    """Return the MAIL FROM status, or None without a MAIL FROM domain."""
    if not name:
        return None
    return {SesStatus.SUCCESS: "verified", SesStatus.FAILED: "failed"}.get(SesStatus(status), "pending")  # type: ignore[return-value]  # all three are words of it


def find_domains(
    domains: QuerySet[Domain],
    *,
    status: Published | None = None,
    can_receive: bool | None = None,
    has_catch_all: bool | None = None,
    provider: str | None = None,
    search: str | None = None,
) -> QuerySet[Domain]:
    """Return the caller's domains that match, newest first, in a stable order. None doesn't filter."""
    if search:
        domains = domains.filter(domain_list_selectors.name_contains(search))
    if status:
        domains = domains.filter(STATUS[status])
    if can_receive is not None:
        domains = domains.annotate(own_mx=of_own_name("mx_facts"), own_rules=of_own_name("mail_rules"))
        arrives = Q(own_mx=MxFact.HERE, own_rules__in=DELIVERED, receives=True) & ~Q(expectations__has_key=MX)
        receiving = VERIFIED & arrives
        domains = domains.filter(receiving if can_receive else ~receiving)
    asked = exactly(has_catch_all=has_catch_all, provider__iexact=provider or None)
    return searched(domains.filter(asked)).order_by(domain_list_selectors.ADDED_AT.desc(), "-pk")


def counts_of(domains: QuerySet[Domain]) -> dict[str, int]:
    """Return total, with_catch_all and each status of all matches, in one query."""
    counted = {name: Count(Value(1), filter=status) for name, status in STATUS.items()}
    catch_all = Count(Value(1), filter=Q(has_catch_all=True))
    return domains.order_by().aggregate(total=Count("*"), with_catch_all=catch_all, **counted)


def status_of(domain: Domain) -> Published:
    """Return the status, as `STATUS` does in SQL."""
    if domain.stage != Stage.READY:
        return "pending"
    if domain.is_verified:
        return "verified"
    gone = domain.identity_status in (SesStatus.FAILED, SesStatus.NOT_STARTED)
    return "failed" if gone or domain.dkim_status == SesStatus.FAILED else "pending"


def receives_mail(domain: Domain, receiving: Receiving) -> bool:
    """Whether the domain receives mail: verified, MX points here, and in the active rule set."""
    return status_of(domain) == "verified" and receiving.state in ARRIVING


def is_authenticated(domain: Domain, checks: Checks) -> bool:
    """Whether SES has verified the domain, and each required record was correct when last found.

    The inbound MX doesn't count, as it doesn't for SES.
    """
    needed = [each.key for each in records_of(domain) if each.need is Need.REQUIRED and not is_inbound(each.key)]
    return status_of(domain) == "verified" and all(key in checks and checks[key].is_correct for key in needed)


_ANY_MX = (*MX_POINTS_HERE, MxFact.BEHIND, MxFact.ELSEWHERE, MxFact.MAIL_MANAGER)


def has_mx(domain: Domain, check: RecordCheck | None) -> bool:
    """Whether the domain had any MX when last found. `check` is of its inbound MX, for a lookup that failed."""
    fact = domain.mx_facts.get(domain.name, "")
    if fact == MxFact.UNKNOWN and check is not None and check.known is not None:
        return bool(check.known.found)
    return fact in _ANY_MX


def records_of(domain: Domain) -> tuple[Record, ...]:
    """Return the records to publish. Until ownership is proven, only the ownership record.

    The inbound MX is always included, as in the published contract, with a note to publish it last if needed. So is a
    record whose value is withheld: it is no less required.
    """
    if domain.stage == Stage.CLAIM:
        return (ownership_core.challenge(domain.parsed, domain.claim_token),)
    return domain.checked_records if domain.receives else domain.records


_CHECKS = FixedQuery(lambda domains: RecordCheck.objects.filter(in_values("domain_id", domains)), compared=1)
_CHECKS_WITH_KEYS = FixedQuery(
    lambda domains, keys: RecordCheck.objects.filter(in_values("domain_id", domains), key__in=keys), compared=1
)


def checks_of(domains: Iterable[Domain], keys: Collection[str] = ()) -> dict[str, dict[str, RecordCheck]]:
    """Return checks by domain and record, in one query: of all records, or of those with these keys."""
    found: dict[str, dict[str, RecordCheck]] = {domain.pk: {} for domain in domains}
    ids = list(found)
    for check in _CHECKS_WITH_KEYS.models(ids, tuple(keys)) if keys else _CHECKS.models(ids):
        found[check.domain_id][check.key] = check
    return found


class EndpointRow(NamedTuple):
    """A tuple of columns, because a list has one in each row."""

    pk: str
    name: str
    type: str
    is_active: bool


@dataclass(frozen=True)
class InboundCounts:
    """The number of addresses of a domain, whether its catch-all is on, and the endpoint of the catch-all.

    `endpoint` is None if the domain has moved to another customer and the endpoint hasn't.
    """

    addresses: int = 0
    active: int = 0
    configured: int = 0
    catches_all: bool = False
    endpoint: EndpointRow | None = None


_ADDRESS_COUNTS = FixedQuery(
    lambda domains: (
        Address.objects.filter(in_values("domain_id", domains))
        .order_by()
        .values("domain")
        .annotate(
            addresses=Count("pk"),
            active=Count("pk", filter=Q(is_active=True)),
            configured=Count("pk", filter=Q(rules__in=DELIVERED)),
        )
        .values_list("domain", "addresses", "active", "configured")
    ),
    compared=1,
)
_OF_ENDPOINT = tuple(f"endpoint__{name}" for name in EndpointRow._fields)
_CATCH_ALLS = FixedQuery(
    lambda domains: (
        CatchAll.objects.filter(in_values("domain_id", domains), subdomains=False)
        .order_by()
        .values_list("domain", "is_active", "endpoint__customer", *_OF_ENDPOINT)
    ),
    compared=1,
)


def receiving_of(domains: Collection[Domain]) -> dict[str, InboundCounts]:
    """Return the counts of each domain, in two queries."""
    ids = {domain.pk: domain for domain in domains}
    counts = {domain: (all_, active, rules) for domain, all_, active, rules in _ADDRESS_COUNTS.values(list(ids))}
    catch_alls = _catch_alls_of(ids)
    return {key: InboundCounts(*counts.get(key, (0, 0, 0)), *catch_alls.get(key, (False, None))) for key in ids}


def _catch_alls_of(domains: Mapping[str, Domain]) -> dict[str, tuple[bool, EndpointRow | None]]:
    found = _CATCH_ALLS.values(list(domains))
    return {
        domain: (is_active, EndpointRow(*endpoint) if customer == domains[domain].customer_id else None)
        for domain, is_active, customer, *endpoint in found
    }


def find_addresses(
    *, viewer: Viewer, domain_id: str | None = None, is_active: bool | None = None, is_live: bool | None = None
) -> QuerySet[Address]:
    """Return addresses with `changed_at`, in alphabetical order. None doesn't filter."""
    rows = addresses_selectors.addresses_for(viewer).annotate(changed_at=last_changed("address"))
    if is_live is not None:
        carried = Q(rules__in=DELIVERED)
        rows = rows.filter(carried if is_live else ~carried)
    return rows.filter(exactly(domain=domain_id, is_active=is_active)).order_by("address", "pk")


def find_endpoints(
    *,
    viewer: Viewer,
    kind: str | None = None,
    is_active: bool | None = None,
    name: str | None = None,
    oldest_first: bool = False,
) -> QuerySet[Endpoint]:
    """Return endpoints with `changed_at`, newest first; `name` filters by a part."""
    rows = addresses_selectors.endpoints_for(viewer).annotate(changed_at=last_changed("endpoint"))
    if name:
        rows = rows.filter(name__icontains=name)
    return rows.filter(exactly(type=kind, is_active=is_active)).order_by(
        *(("created_at", "pk") if oldest_first else ("-created_at", "-pk"))
    )


def endpoint_counts(endpoints: QuerySet[Endpoint]) -> dict[str, int]:
    """Return the number of active endpoints and of each type."""
    of_type = {kind: Count("pk", filter=Q(type=kind)) for kind in EndpointType.values}
    return endpoints.order_by().aggregate(active=Count("pk", filter=Q(is_active=True)), **of_type)


def uses_of(endpoint: Endpoint, *, at_most: int) -> tuple[list[Address], list[Domain]]:
    """Return the first addresses and domains with a catch-all that use the endpoint."""
    addresses = addresses_selectors.addresses_to(endpoint.pk).order_by("address")[:at_most]
    catch_alls = addresses_selectors.catch_alls_to(endpoint.pk).filter(is_active=True).order_by("domain__name")
    return list(addresses), [each.domain for each in catch_alls[:at_most]]


def rule_names(recipients: Collection[str]) -> Mapping[str, str]:
    """Return the first receipt rule that names each recipient, as last known. Others are omitted."""
    known = last_known() if recipients else None
    if known is None:
        return {}
    found: dict[str, str] = {}
    for rule in content_of(known).rules:
        for recipient in rule.recipient_set.intersection(recipients):
            found.setdefault(recipient, rule.name)
    return found


def pending_of(domains: Collection[Domain]) -> dict[str, str]:
    """Return domain IDs with changes that SES's rules don't show yet, and when they will."""
    found = PendingChange.objects.filter(customer__in={domain.customer_id for domain in domains})
    waiting = {change.customer_id: change for change in found}
    soon = {number: takes_effect(number) for number in {len(each.recipients or ()) for each in waiting.values()}}
    concerned = ((each, waiting[each.customer_id]) for each in domains if each.customer_id in waiting)
    return {
        each.pk: change.waits_because or soon[len(change.recipients or ())]
        for each, change in concerned
        if change.concerns(each.pk)
    }
