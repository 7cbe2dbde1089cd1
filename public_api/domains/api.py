"""Published API operations on domains, and a domain in responses with what it receives."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, chosen_customer, reads, writes
from accounts.people.selectors import first_owners
from domains.api import domain_of
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain
from domains.preflight import services as preflight_services
from domains.records.core import Purpose, Record
from domains.sending_status.selectors import sending_of
from domains.settings.services import wait_until_applied
from inbound_admin.lib.api.schemas import (
    LenientIn,
    LenientPaged,
    LenientQuery,
    Out,
    Page,
    Text,
    counted,
    given,
    page_of,
)
from public_api.domains import selectors, services
from public_api.domains.selectors import Checks, InboundCounts, Published
from public_api.records.api import (
    MAIL_FROM_KEYS,
    DomainMain,
    StoredRecordOut,
    VerificationOut,
    WantedRecordOut,
    main_fields,
    stored_records,
    verification_of,
    wanted_records,
)
from receipt_rules.received_mail.selectors import received_counts


class EndpointBrief(Out):
    id: str
    name: str
    type: str
    is_active: bool


class Stats(Out):
    total_email_addresses: int
    active_email_addresses: int
    has_catch_all: bool


class StatsOne(Stats):
    """Messages that the delivery function has reported for the domain."""

    emails_last_24h: int = Field(alias="emailsLast24h")
    emails_last_7d: int = Field(alias="emailsLast7d")
    emails_last_30d: int = Field(alias="emailsLast30d")


class DomainRow(DomainMain):
    is_catch_all_enabled: bool
    catch_all_endpoint_id: str | None
    stats: Stats
    catch_all_endpoint: EndpointBrief | None
    verification_check: VerificationOut | None = None


class Recommendation(Out):
    name: str
    value: str
    description: str


class Recommendations(Out):
    spf: Recommendation | None = None
    dmarc: Recommendation | None = None


class DomainOne(DomainRow):
    stats: StatsOne
    dns_records: list[StoredRecordOut]
    auth_recommendations: Recommendations
    parent_domain: str | None = Field(description="The nearest verified domain of the same customer above it")
    inherits_from_parent: bool = Field(description="Always false: each domain has its own identity")
    sending: str = Field(description="Of the domain and its customer: enabled, cannot_yet, off, deleting or unknown")
    sending_message: str


def rows(domains: Collection[Domain], *, checked: bool) -> list[DomainRow]:
    """Return the rows, in a constant number of queries. `checked` adds the latest check."""
    checks = selectors.checks_of(domains, () if checked else (*MAIL_FROM_KEYS, selectors.MX))
    receiving = selectors.receiving_of(domains)
    owners = first_owners(domain.customer_id for domain in domains)
    return [
        DomainRow(**_row(domain, checks[domain.pk], receiving[domain.pk], owners, checked=checked))
        for domain in domains
    ]


def one(domain: Domain, *, checked: bool) -> DomainOne:
    checks, receiving = selectors.checks_of([domain])[domain.pk], selectors.receiving_of([domain])[domain.pk]
    parent = domain_list_selectors.verified_parent(domain.parsed, domain.customer)
    recommended = {each.key: each for each in domain.records if each.purpose is Purpose.RECOMMENDED}
    row = _row(domain, checks, receiving, first_owners([domain.customer_id]), checked=checked)
    sending = sending_of(domain)
    received = received_counts(domain.pk, customer_id=domain.customer_id, now=timezone.now())
    counts = dict(zip(("emails_last_24h", "emails_last_7d", "emails_last_30d"), received, strict=True))
    stats = StatsOne(**row["stats"].model_dump() | counts)
    return DomainOne(
        **row | {"stats": stats},
        dns_records=stored_records(domain, checks),
        auth_recommendations=Recommendations(
            **given(
                spf=_recommendation(recommended.get("apex-spf"), "Allows SES to send from the domain itself."),
                dmarc=_recommendation(
                    recommended.get("dmarc"), "Makes receivers report forged mail without rejecting it."
                ),
            )
        ),
        parent_domain=parent.name if parent else None,
        inherits_from_parent=False,
        sending=sending.state.value,
        sending_message=sending.sentence,
    )


def brief(endpoint: selectors.EndpointRow | None) -> EndpointBrief | None:
    return None if endpoint is None else EndpointBrief.of(endpoint, id=endpoint.pk)


def _row(
    domain: Domain, checks: Checks, receiving: InboundCounts, owners: dict[str, str], *, checked: bool
) -> dict[str, Any]:
    endpoint = receiving.endpoint
    stats = Stats(
        total_email_addresses=receiving.addresses,
        active_email_addresses=receiving.active,
        has_catch_all=receiving.catches_all,
    )
    return {
        **main_fields(domain, checks, owners.get(domain.customer_id)),
        "is_catch_all_enabled": receiving.catches_all,
        "catch_all_endpoint_id": endpoint.pk if endpoint else None,
        "stats": stats,
        "catch_all_endpoint": brief(endpoint),
        **({"verification_check": verification_of(domain, checks)} if checked else {}),
    }


def _recommendation(record: Record | None, description: str) -> Recommendation | None:
    return Recommendation(name=record.name, value=record.value, description=description) if record else None


router = call_router("Domains", lenient=True)


class DomainFilters(LenientPaged):
    status: Published | None = Field(None, description="Of its SES identity")
    can_receive: bool | None = Field(None, description="Whether mail for it arrives")
    check: bool = Field(False, description="Check DNS and SES now unless just checked")
    search: Text | None = Field(None, description="Part of the name")
    has_catch_all: bool | None = Field(None, description="Whether its catch-all is on")
    provider: Text | None = Field(None, description="The DNS host's name, as in domainProvider")


class CheckAsked(LenientQuery):
    check: bool = Field(False, description="Check DNS and SES now unless just checked")


class Breakdown(Out):
    verified: int
    pending: int
    failed: int


class DomainsMeta(Out):
    """Counted over everything that matches the filter, not only the page. Counts of long lists may be seconds old."""

    total_count: int
    verified_count: int
    with_catch_all_count: int
    status_breakdown: Breakdown


class DomainPage(Page[DomainRow]):
    meta: DomainsMeta


class DomainAdded(LenientIn):
    domain: Text
    customer_id: Text | None = Field(None, description="The owner. Required if you belong to several customers")
    send_only: bool = Field(False, description="Another mail service receives its mail, so no inbound MX is required")
    tell_when_verified: bool = Field(
        True, description="Whether to notify the key's owner once when the domain is verified"
    )


class ConflictOut(Out):
    has_conflict: Literal[True] = True
    message: str
    suggestion: str | None = None


class DomainAddedOut(DomainMain):
    dns_records: list[WantedRecordOut]
    dns_conflict: ConflictOut | None = None
    message: str


class DomainChanged(LenientIn):
    """Absent members are unchanged."""

    is_catch_all_enabled: bool | None = None
    catch_all_endpoint_id: Text | None = None
    mail_from_domain: Text | None = None
    receive_dmarc_emails: bool | None = None
    send_only: bool | None = Field(None, description="409 while the MX points here. Move it first")


class DomainChangedOut(Out):
    id: str
    domain: str
    status: Published
    is_catch_all_enabled: bool
    catch_all_endpoint_id: str | None
    catch_all_endpoint: EndpointBrief | None
    receipt_rule_name: str | None
    mail_from_domain: str | None
    receive_dmarc_emails: bool
    updated_at: datetime
    warning: str | None = None


class MailFrom(LenientIn):
    only_put = frozenset(("sendOnly", "isCatchAllEnabled", "catchAllEndpointId", "receiveDmarcEmails"))
    mail_from_domain: Text | None = Field(None, description="A label in front of the domain, or the full name")


class MailFromOut(Out):
    success: Literal[True] = True
    message: str
    mail_from_domain: str
    mail_from_domain_status: Published | None
    additional_dns_records: list[WantedRecordOut]


@router.get("/v2/domains", **reads(DomainPage), summary="List domains")
def list_domains(request: HttpRequest, query: Annotated[DomainFilters, Query()]) -> DomainPage:
    """Return your domains, newest first, with their status, counts of addresses and catch-all.

    `meta` counts everything that matches the filter. `check=true` checks DNS and SES of this page's domains now and
    adds `verificationCheck`; a domain that was checked just now isn't checked again.
    """
    return domain_page(request, query, check=query.check)


def domain_page(request: HttpRequest, query: DomainFilters, *, check: bool) -> DomainPage:
    filters = query.model_dump(exclude={"limit", "offset", "check"})
    found = selectors.find_domains(domain_list_selectors.domains_for(caller(request)), **filters)
    found = found if check else found.select_related(None)  # a row names no customer
    counts = counted(found, selectors.counts_of)
    domains, pagination = page_of(found, query, total=counts["total"])
    if check:
        services.check_where_allowed(domains, now=timezone.now())
    breakdown = Breakdown(verified=counts["verified"], pending=counts["pending"], failed=counts["failed"])
    meta = DomainsMeta(
        total_count=counts["total"],
        verified_count=counts["verified"],
        with_catch_all_count=counts["with_catch_all"],
        status_breakdown=breakdown,
    )
    return DomainPage(data=rows(domains, checked=check), pagination=pagination, meta=meta)


@router.post("/v2/domains", **writes(DomainAddedOut, status=201), summary="Add a domain and start verification")
def add_domain(request: HttpRequest, asked: DomainAdded) -> Status[DomainAddedOut]:
    """Add a domain, create its SES identity, and return the DNS records to publish.

    Waits for the DKIM tokens for up to API_WAIT_SECONDS. Without them, `message` says what is still pending; get
    the domain again in a moment. It also says how the name differs from what was sent. Refused: 409
    `DOMAIN_ALREADY_REGISTERED`, 400 for a name that is no domain of yours to add (`NOT_A_DOMAIN`, `PUBLIC_SUFFIX`
    and others), 400 `CUSTOMER_UNCLEAR` without `customerId` if you
    belong to several customers, 422 `TOO_MANY_UNPROVEN`.
    """
    customer = chosen_customer(caller(request), asked.customer_id)
    look = preflight_services.run_preflight(text=asked.domain, customer=customer)
    domain = preflight_services.add(
        text=asked.domain,
        customer=customer,
        actor=caller(request),
        preflight=look,
        receives=not asked.send_only,
        tell_when_verified=asked.tell_when_verified,
    )
    domain = wait_until_applied(domain)
    checks = selectors.checks_of([domain])[domain.pk]
    owner = first_owners([domain.customer_id]).get(domain.customer_id)
    elsewhere = next((each for each in look.findings if each.code == "preflight.mail_elsewhere"), None)
    message = services.pending_message(domain, to=caller(request)) or services.records_message(domain)
    suggested = given(suggestion=look.suggestion)
    conflict = ConflictOut(has_conflict=True, message=elsewhere.text, **suggested) if elsewhere else None
    noticed = [*look.noticed, *(each.text for each in look.findings if each.code == "preflight.no_such_domain")]
    made = DomainAddedOut(
        **main_fields(domain, checks, owner),
        dns_records=wanted_records(domain),
        message=" ".join([*noticed, message]),
        **given(dns_conflict=conflict),
    )
    return Status(201, made)


@router.get("/v2/domains/{domain_id}", **reads(DomainOne), summary="Get a domain with its DNS records")
def get_domain(request: HttpRequest, domain_id: str, query: Annotated[CheckAsked, Query()]) -> DomainOne:
    """Return one domain with its DNS records, its sending status and what it receives.

    `check=true` checks DNS and SES first and adds `verificationCheck`. 404 for a domain that isn't yours.
    """
    domain = domain_of(request, domain_id)
    if query.check:
        services.check_where_allowed([domain], now=timezone.now())
        domain = domain_of(request, domain_id)
    return one(domain, checked=query.check)


@router.put("/v2/domains/{domain_id}", **writes(DomainChangedOut), summary="Change a domain")
def change_domain(request: HttpRequest, domain_id: str, asked: DomainChanged) -> DomainChangedOut:
    """Change the catch-all, the MAIL FROM domain, DMARC reports, or whether the domain only sends.

    Absent members are unchanged. Receipt rules follow in a few seconds; `warning` says what is pending. Refused:
    400 `DOMAIN_NOT_VERIFIED`, 400 `ENDPOINT_MISSING` or `ENDPOINT_INACTIVE`, 409 `MX_LEADS_HERE` for `sendOnly`
    while the MX points here.
    """
    domain = domain_of(request, domain_id)
    services.change(
        domain=domain,
        wanted=services.DomainChange(**asked.model_dump(exclude_unset=True)),
        actor=caller(request),
    )
    return _changed(domain_of(request, domain_id))


@router.patch("/v2/domains/{domain_id}", **writes(MailFromOut), summary="Set up the MAIL FROM domain")
def set_mail_from(request: HttpRequest, domain_id: str, asked: MailFrom | None = None) -> MailFromOut:
    """Set the MAIL FROM domain of a domain that has none, and return the records to publish.

    Succeeds if the domain already has this one, and changes nothing else. 409 `MAIL_FROM_SET` if it has another: `PUT`
    and `POST …/auth` replace it, after which MAIL FROM is pending until its new records are found. 400 `USE_PUT` for a
    member that only `PUT` changes, such as `sendOnly`.
    """
    domain = domain_of(request, domain_id)
    name = asked.mail_from_domain if asked else None
    stands = bool(domain.mail_from) and (not name or services.is_mail_from(domain, name))
    if not stands:
        domain = services.configure_mail_from(domain=domain, name=name, actor=caller(request))
    records = [each for each in wanted_records(domain) if each.name == domain.mail_from]
    done = f"{domain} already has this MAIL FROM domain." if stands else "Publish the records, then verify."
    return MailFromOut(
        success=True,
        message=services.pending_message(domain, to=caller(request)) or done,
        mail_from_domain=domain.mail_from,
        mail_from_domain_status=selectors.mail_from_word(domain.mail_from, domain.mail_from_status),
        additional_dns_records=records,
    )


def _changed(domain: Domain) -> DomainChangedOut:
    receiving = selectors.receiving_of([domain])[domain.pk]
    endpoint, is_on = receiving.endpoint, receiving.catches_all
    main = main_fields(domain, {}, None)
    warning = selectors.pending_of([domain]).get(domain.pk, "")
    return DomainChangedOut(
        **{name: main[name] for name in ("id", "domain", "mail_from_domain", "receive_dmarc_emails", "updated_at")},
        status=selectors.status_of(domain),
        is_catch_all_enabled=is_on,
        catch_all_endpoint_id=endpoint.pk if endpoint else None,
        catch_all_endpoint=brief(endpoint),
        receipt_rule_name=selectors.rule_names([domain.name]).get(domain.name) if is_on else None,
        **given(warning=warning),
    )
