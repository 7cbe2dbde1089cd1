"""A domain is added: looked at first, then a row of ours, then set up with Amazon by the worker."""

from django.conf import settings
from django.db import IntegrityError, transaction

from changes import services as changes
from domains.core import preflight
from domains.core.claims import ClaimReason
from domains.core.names import DomainName, Understood, understand
from domains.core.observing import Answer, Question, Status
from domains.core.preflight import Preflight
from domains.core.providers import provider_of
from domains.core.records import can_receive
from domains.models import Domain, Stage
from domains.selectors import finding
from domains.selectors.ownership import held_domains, holds_above, related_domains
from domains.services import claiming, expiry, ownership
from domains.services.looking import look_up
from domains.services.queue import set_up_soon
from domains.services.subjects import subject
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Refused
from tenants.models import Customer, User
from tenants.services import associating

RECORDS = 7  # that are required: ownership, three keys, two for bounces, and the way in where the region receives
TAKEN = "This domain is already in use here. If it is yours, ask our support to look into it."


def look_before(*, text: str, customer: Customer) -> Preflight:
    """What is known of a domain before anything is created; asks the DNS alone. Raises Refused."""
    understood = acceptable(text, customer)
    return _look(understood, customer)


def add(
    *, text: str, customer: Customer, actor: User | None, look: Preflight | None = None, bulk_id: str = ""
) -> Domain:
    """Store the domain for the customer; the worker then sets it up. Raises Refused when it may not be theirs.

    `look` is what `look_before` told of it just now.
    """
    understood = acceptable(text, customer)
    look = look or _look(understood, customer)
    try:
        domain = _store(understood.domain, customer, actor, look, bulk_id)
    except IntegrityError as error:
        acceptable(text, customer)  # has the right sentence for whoever was a moment too late
        raise Refused(TAKEN, code="DOMAIN_ALREADY_REGISTERED") from error
    if domain.stage == Stage.CLAIM:
        claiming.tell_holders(domain)
    return domain


@transaction.atomic
def _store(name: DomainName, customer: Customer, actor: User | None, look: Preflight, bulk_id: str) -> Domain:
    expiry.refuse_more(customer, actor)
    ownership.lock_zone(name)
    reason = _must_prove(name, customer, look)
    domain = Domain.objects.create(
        customer=customer,
        tenant=associating.tenant_to_join(customer),
        name=name.ascii,
        region=settings.AWS_REGION,
        created_by=actor,
        mail_from_label=look.mail_from_label,
        provider=look.provider,
        stage=Stage.CLAIM if reason else Stage.STARTING,
    )
    after = {"name": domain.name, "customer": customer.name, "mail_from": look.mail_from}
    changes.record("domain.added", about=subject(domain), actor=actor, after=after, bulk_id=bulk_id)
    if reason:
        ownership.open_claim(domain, reason)
    else:
        set_up_soon(domain)
    return domain


def acceptable(text: str, customer: Customer) -> Understood:
    """Raises Refused: DOMAIN_ALREADY_REGISTERED, or those of `understand`."""
    understood = understand(text)
    name = understood.domain.ascii
    if Domain.objects.filter(name=name, customer=customer).exists():
        sentence = f"{understood.domain} is in your list already."
        raise Refused(sentence, code="DOMAIN_ALREADY_REGISTERED")
    if held_domains().filter(name=name).exists():
        raise Refused(TAKEN, code="DOMAIN_ALREADY_REGISTERED")
    return understood


def _must_prove(name: DomainName, customer: Customer, look: Preflight) -> ClaimReason | None:
    """A claim by somebody else counts not where the customer has proven the domain above; a row at work always does."""
    if related_domains(name).exclude(customer=customer).exists():
        return ClaimReason.RELATED
    rivals = Domain.objects.filter(name=name.ascii).exclude(customer=customer)
    if (rivals.exclude(stage=Stage.CLAIM) if holds_above(name, customer) else rivals).exists():
        return ClaimReason.RIVAL
    return ClaimReason.RECORDS_ANSWER if look.records_answer else None


def _look(understood: Understood, customer: Customer) -> Preflight:
    name = understood.domain
    with slow_work.place(customer=customer.pk):
        answers = _ask(name)
    parent = finding.verified_parent(name, customer)
    servers = next((a.values for a in answers if a.question == Question(name.zone, "NS")), ())
    return preflight.assess(
        name,
        answers,
        noticed=understood.noticed,
        verified_parent=str(parent) if parent else "",
        provider=provider_of(servers),
        record_count=RECORDS if can_receive(settings.AWS_REGION) else RECORDS - 1,
    )


def _ask(name: DomainName) -> list[Answer]:
    """One answer to each question: the first resolver's that is not a failure, since any one of them will do."""
    best: dict[Question, Answer] = {}
    for answer in look_up(preflight.questions(name)):
        known = best.get(answer.question)
        if known is None or known.status is Status.FAILED:
            best[answer.question] = answer
    return list(best.values())
