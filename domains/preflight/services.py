"""Adds a domain: checks its DNS, stores the row, and lets the worker set it up in SES.

`check_usability` answers the oldest API's version of this question from current DNS, and stores nothing.
"""

from dataclasses import dataclass, replace

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.announcements import services as announcements_services
from domains.dns.core import Answer, LookupStatus, Question, cut_of, first_values
from domains.dns.services import look_up
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domain_subject
from domains.jobs import queue_set_up
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName, ParsedDomain, parse_domain
from domains.ownership import services as ownership_services
from domains.ownership.core import ClaimReason
from domains.ownership.selectors import TAKEN, holds_above, names_in_use, parse_new_domain, related_domains
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import core
from domains.preflight.core import Preflight
from domains.providers.core import provider_of
from domains.records.core import can_receive, inbound_host, mail_from_candidates
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Problem, Refused
from tenants.resources import services as resources_services

RECORDS = 6  # required at first: ownership, three DKIM, two MAIL FROM; the inbound MX comes last


def run_preflight(*, text: str, customer: Customer) -> Preflight:
    """Return what is known about a domain before anything is created, from DNS alone. Raises Refused."""
    parsed = parse_new_domain(text, customer)
    preflight = _assess(parsed, customer)
    reason = _must_prove(parsed.domain, customer, preflight)
    # Only a customer who has added the name too may learn that others have added it.
    return replace(preflight, must_prove=reason not in (None, ClaimReason.RIVAL))


def add(
    *,
    text: str,
    customer: Customer,
    actor: User | None,
    preflight: Preflight | None = None,
    bulk_id: str = "",
    receives: bool = True,
    tell_when_verified: bool = True,
) -> Domain:
    """Store the domain for the customer; the worker sets it up. Raises Refused if the customer may not have it.

    `preflight` is the result of `run_preflight`, if it just ran. `receives` False: the domain only sends.
    `tell_when_verified`: notify the actor then.
    """
    parsed = parse_new_domain(text, customer)
    preflight = preflight or _assess(parsed, customer)
    try:
        with transaction.atomic():
            domain = _store(parsed.domain, customer, actor, preflight, bulk_id=bulk_id, receives=receives)
            if actor is not None and tell_when_verified:
                announcements_services.request_notice(domain, actor)
    except IntegrityError as error:
        parse_new_domain(text, customer)  # raises the specific Refused if somebody else was faster
        raise Refused(TAKEN, code="DOMAIN_ALREADY_REGISTERED") from error
    if domain.stage == Stage.CLAIM:
        ownership_claims_services.notify_holders(domain)
    return domain


@transaction.atomic
def _store(
    name: DomainName, customer: Customer, actor: User | None, preflight: Preflight, *, bulk_id: str, receives: bool
) -> Domain:
    ownership_services.check_unproven_limit(customer, actor)
    ownership_services.lock_zone(name)
    reason = _must_prove(name, customer, preflight)
    domain = Domain.objects.create(
        customer=customer,
        tenant=resources_services.tenant_to_join(customer),
        name=name.ascii,
        region=settings.AWS_REGION,
        created_by=actor,
        mail_from_label=preflight.mail_from_label,
        receives=receives,
        provider=preflight.provider,
        policies=preflight.policies.as_json(),
        zone=preflight.zone,
        stage=Stage.CLAIM if reason else Stage.STARTING,
    )
    after = {"name": domain.name, "customer": customer.name, "mail_from": preflight.mail_from, "receives": receives}
    audit_services.record("domain.added", about=domain_subject(domain), actor=actor, after=after, bulk_id=bulk_id)
    if reason:
        ownership_services.open_claim(domain, reason)
    else:
        queue_set_up(domain)
    return domain


def _must_prove(name: DomainName, customer: Customer, preflight: Preflight) -> ClaimReason | None:
    """Other customers' claims don't count if this customer has proven a parent domain. Rows past that stage do."""
    if related_domains(name).exclude(customer=customer).exists():
        return ClaimReason.RELATED
    rivals = Domain.objects.filter(name=name.ascii).exclude(customer=customer)
    if (rivals.exclude(stage=Stage.CLAIM) if holds_above(name, customer) else rivals).exists():
        return ClaimReason.RIVAL
    return ClaimReason.RECORDS_ANSWER if preflight.records_answer else None


def _assess(parsed: ParsedDomain, customer: Customer) -> Preflight:
    name = parsed.domain
    with slow_work.slot(customer=customer.pk):
        answers = _ask(name)
    parent = domain_list_selectors.verified_parent(name, customer)
    hosted = Question(cut_of(name, answers) or name.zone, "NS")
    servers = first_values(answer for answer in answers if answer.question == hosted)
    return core.assess(
        name,
        answers,
        noticed=parsed.noticed,
        verified_parent=str(parent) if parent else "",
        provider=None if servers is None else provider_of(servers),
        record_count=RECORDS,
        region=settings.AWS_REGION,
        taken=names_in_use((*mail_from_candidates(name), *core.suggested_names(name)), customer),
    )


def _ask(name: DomainName) -> list[Answer]:
    """Return one answer to each question: the first resolver's that did not fail."""
    best: dict[Question, Answer] = {}
    for answer in look_up(core.questions(name)):
        known = best.get(answer.question)
        if known is None or known.status is LookupStatus.FAILED:
            best[answer.question] = answer
    return list(best.values())


class DnsLookupFailed(Problem):
    """The lookup failed, which says nothing about the domain."""

    code = "DNS_UNREACHABLE"
    status = 503


@dataclass(frozen=True)
class Usability:
    """`refused` says why it may not be added; `mx` and `aliases` are its current DNS values."""

    name: DomainName
    refused: str
    mx: tuple[str, ...]
    aliases: tuple[str, ...]
    provider: str

    @property
    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """Return (type, value) of the records that prevent receiving."""
        others = [value for value in self.mx if not _is_ours(value)]
        return (*(("MX", value) for value in others), *(("CNAME", value) for value in self.aliases))

    @property
    def can_be_used(self) -> bool:
        return not self.refused and not self.conflicts

    @property
    def can_receive(self) -> bool:
        return self.can_be_used and can_receive(settings.AWS_REGION)


def check_usability(*, text: str, customer: Customer) -> Usability:
    """Raises Refused for anything but a domain, and DnsLookupFailed."""
    refused = ""
    try:
        name = parse_new_domain(text, customer).domain
    except Refused as problem:
        if problem.code != "DOMAIN_ALREADY_REGISTERED":
            raise
        refused, name = str(problem), parse_domain(text).domain  # of another's, it doesn't say whose it is
    questions = (Question(name.ascii, "MX"), Question(name.ascii, "CNAME"), Question(name.zone, "NS"))
    mx, aliases, servers = _look_up_each(questions, customer.pk)
    if mx is None or aliases is None:
        raise DnsLookupFailed(f"We couldn't check the DNS of {name.unicode}. Try again in a moment.")
    return Usability(name, refused, mx, aliases, provider_of(servers or ()))


def refresh_provider(domain: Domain) -> None:
    """Look up and store the DNS host. A failed lookup changes nothing."""
    (servers,) = _look_up_each((Question(domain.hosted.zone, "NS"),), domain.customer_id)
    if servers:
        domain.provider = provider_of(servers)
        domain.save(update_fields=("provider",))


def _look_up_each(questions: tuple[Question, ...], customer: str) -> list[tuple[str, ...] | None]:
    """Return the values for each question, None if all its lookups failed."""
    with slow_work.slot(customer=customer):
        answers = look_up(questions)
    return [first_values(answer for answer in answers if answer.question == question) for question in questions]


def _is_ours(value: str) -> bool:
    region = settings.AWS_REGION
    return can_receive(region) and value.split(" ", 1)[-1] == inbound_host(region)
