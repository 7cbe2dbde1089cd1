"""Adopts identities that already exist in SES as domains of a customer. It only reads SES.

Only staff adopt, with a reason: a verified identity does not prove who owns the domain. `import_domain` stores a domain
of the legacy system: adopted if SES has its identity, otherwise as a claim that must be proven first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require, require_reason
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.identity.core import NO_DKIM, NO_MAIL_FROM, Identity, from_batch
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName, is_label, parse_existing_domain, parse_mail_from_label
from domains.ownership import services as ownership_services
from domains.ownership.core import ClaimReason
from domains.ownership.selectors import held_domains, mail_from_of
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from tenants.resources import services as resources_services

# What staff decided about a claim, what it receives, and whose it is: it stays when the claim becomes the domain.
KEPT_OF_CLAIM = (
    *("pk", "created_at", "created_by_id", "held_since", "note", "expectations", "has_catch_all"),
    *("held_at", "held_until", "held_by_id", "held_because"),
)


class AdoptionStatus(StrEnum):
    """What happens to a name that should be adopted."""

    ADOPT = "adopt"
    THEIRS = "theirs"  # the customer has it already
    TAKEN = "taken"  # another customer has it
    NOT_AT_AMAZON = "not_at_amazon"
    NO_DOMAIN = "no_domain"


@dataclass(frozen=True)
class AdoptionOutcome:
    name: str
    status: AdoptionStatus
    domain_id: str = ""


def adoption_status(name: str, *, customer: Customer, in_ses: Iterable[str]) -> AdoptionStatus:
    """Return what adoption would do. It writes nothing and makes no calls: `in_ses` are the names that SES has."""
    try:
        plain = parse_existing_domain(name)
    except Refused:
        return AdoptionStatus.NO_DOMAIN
    if Domain.objects.filter(name=plain, customer=customer).exclude(stage=Stage.CLAIM).exists():
        return AdoptionStatus.THEIRS
    bounces = mail_from_of(DomainName.from_stored(plain))
    if held_domains().filter(name=plain).exists() or (bounces is not None and bounces.customer_id != customer.pk):
        return AdoptionStatus.TAKEN
    return AdoptionStatus.ADOPT if plain in in_ses else AdoptionStatus.NOT_AT_AMAZON


@dataclass(frozen=True)
class SesIdentities:
    """The identities that SES has: each name's identity and ownership token, and the request ids of the calls."""

    identities: Mapping[str, tuple[Identity, str]]
    request_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdoptionRequest:
    """For which customer, by whom and why. `receives`: their mail should be received here."""

    customer: Customer
    actor: User | None
    because: str
    receives: bool = True
    bulk_id: str = ""


def adopt(*, names: Sequence[str], request: AdoptionRequest) -> tuple[AdoptionOutcome, ...]:
    """Adopt identities with three calls per hundred names. Raises Refused without permission or reason, and AwsProblem.

    Names that were stored before an AwsProblem stay. A repeated call continues from there.
    """
    require(request.actor, "domains.adopt_identity", "Only operators can adopt identities.")
    require_reason(
        request.because, "Enter the reason why these domains belong to this customer. It appears in their activity."
    )
    return tuple(outcome for some in batches(names) for outcome in _adopt(some, request))


def _adopt(names: Sequence[str], request: AdoptionRequest) -> Iterator[AdoptionOutcome]:
    found = read_identities(names)
    for name in names:
        status = adoption_status(name, customer=request.customer, in_ses=found.identities)
        if status is AdoptionStatus.ADOPT:
            yield store_adopted(*found.identities[parse_existing_domain(name)], request, found.request_ids)
        else:
            yield AdoptionOutcome(name, status)


def _is_free(name: str) -> bool:
    try:
        plain = parse_existing_domain(name)
    except Refused:
        return False
    return not held_domains().filter(name=plain).exists()


def read_identities(names: Sequence[str]) -> SesIdentities:
    """Read the names that nobody holds, three calls per hundred. Names unknown to SES are left out.
    Raises AwsProblem.
    """
    free = [name for name in names if _is_free(name)]
    if free:
        aws.account_id()  # for the ARNs of those that join a tenant, in a transaction
    with aws.recording() as request_ids:
        found = {name: value for some in batches(free) for name, value in _identities(some).items()}
        return SesIdentities(found, tuple(request_ids))


def batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split names into the number that SES accepts in one call."""
    return (names[start : start + identity_gateway.BATCH] for start in range(0, len(names), identity_gateway.BATCH))


def _identities(names: Sequence[str]) -> dict[str, tuple[Identity, str]]:
    plain = list(dict.fromkeys(parse_existing_domain(name) for name in names))
    if not plain:
        return {}
    verified, dkim, mail_from = (
        identity_gateway.get_verification(plain),
        identity_gateway.get_dkim(plain),
        identity_gateway.get_mail_from(plain),
    )
    found: dict[str, tuple[Identity, str]] = {}
    for name, (status, token) in verified.items():
        keys = dkim.get(name, NO_DKIM)
        identity = from_batch(name, status, keys, mail_from.get(name, NO_MAIL_FROM))
        found[name] = (identity or identity_gateway.get_identity(name), token)
    return found


def store_adopted(
    identity: Identity, token: str, request: AdoptionRequest, request_ids: Sequence[str]
) -> AdoptionOutcome:
    """Store an identity as the customer's domain. Their own claim to the name becomes this domain.

    It joins the customer's tenant if their sends name it. What another customer receives there, as holder of a domain
    above it, ends without a plan, as after a proof.

    Staff's word counts as proof: it displaces claims that others have not proven.
    """
    made = _domain_row(identity, token, request)
    try:
        with transaction.atomic():
            ownership_services.lock_zone(made.parsed)
            ownership_services.displace(made.parsed, winner=request.customer)
            above = held_domains().filter(name__in=made.parsed.parents).exclude(customer=request.customer)
            made.routes_unchecked = above.exists()
            had_claim = _replace_claim(made)
            made.save(force_insert=not had_claim, force_update=had_claim)
            if had_claim:
                ownership_services.resolve_alerts(made)
            if made.routes_unchecked:
                ownership_services.holder_changed.send(sender=Domain, domain=made)
            audit_services.record(
                "domain.adopted",
                about=domain_subject(made),
                actor=request.actor,
                because=request.because,
                after={"identity": made.name, "customer": request.customer.name, "mail_from": made.ses_mail_from},
                aws_request_ids=request_ids,
                bulk_id=request.bulk_id,
            )
            identity_services.assign_tenant_if_sending(made)  # SES would reject its mail outside the tenant
    except IntegrityError:  # somebody else was faster
        return AdoptionOutcome(made.name, AdoptionStatus.TAKEN)
    return AdoptionOutcome(made.name, AdoptionStatus.ADOPT, made.id)


def _replace_claim(made: Domain) -> bool:
    """Keep the claim's row, since addresses may refer to it."""
    claim = Domain.objects.select_for_update().filter(name=made.name, customer=made.customer, stage=Stage.CLAIM).first()
    if claim is None:
        return False
    claim.record_checks.all().delete()  # of the ownership challenge, which is no longer needed
    for name in KEPT_OF_CLAIM:
        setattr(made, name, getattr(claim, name))
    made.watched_from = made.state_since = timezone.now()
    return True


def _domain_row(identity: Identity, token: str, request: AdoptionRequest) -> Domain:
    """The settings in SES become the desired ones."""
    return Domain(
        customer=request.customer,
        name=identity.domain,
        region=settings.AWS_REGION,
        created_by=request.actor,
        stage=Stage.READY,
        adopted=True,
        routes_unchecked=False,  # existing rules stay until an operator has approved a plan
        proven_at=timezone.now(),
        receives=request.receives,
        verification_token=token,
        **identity.columns,
        **identity.desired,
        last_ses_check=Now(),  # not by our clock, which may be ahead: nothing would be checked for as long
        next_check_at=Now(),
    )


@transaction.atomic
def import_domain(
    *, name: str, request: AdoptionRequest, found: SesIdentities, mail_from: str = "", reports: bool = False
) -> AdoptionOutcome:
    """Store one imported domain. `found` is what SES has. Sends no email and makes no calls. Raises Refused.

    NOT_AT_AMAZON means that it was stored as a claim.
    """
    plain = parse_existing_domain(name)
    status = adoption_status(plain, customer=request.customer, in_ses=found.identities)
    known = Domain.objects.filter(name=plain, customer=request.customer).first()
    if status is AdoptionStatus.TAKEN:
        return AdoptionOutcome(plain, status)
    if status is AdoptionStatus.ADOPT:
        outcome = store_adopted(*found.identities[plain], request, found.request_ids)
    elif known is not None:
        return AdoptionOutcome(plain, AdoptionStatus.THEIRS, known.pk)
    else:
        outcome = AdoptionOutcome(plain, status, _claim(plain, request, mail_from).pk)
    if reports and outcome.domain_id:
        Domain.objects.filter(pk=outcome.domain_id).update(dmarc_reports_to=f"dmarc@{plain}", wants_dmarc=True)
    return outcome


@transaction.atomic
def _claim(name: str, request: AdoptionRequest, mail_from: str) -> Domain:
    label = parse_mail_from_label(mail_from, name)
    try:
        domain = Domain.objects.create(
            customer=request.customer,
            tenant=resources_services.tenant_to_join(request.customer),
            name=name,
            region=settings.AWS_REGION,
            created_by=request.actor,
            mail_from_label=label if label != mail_from and is_label(label) else "",
            receives=request.receives,
            stage=Stage.CLAIM,
        )
    except IntegrityError as error:  # another worker was faster
        raise Refused(f"{name} has just been added.", code="DOMAIN_ALREADY_REGISTERED") from error
    audit_services.record(
        "domain.added",
        about=domain_subject(domain),
        actor=request.actor,
        because=request.because,
        after={"name": name, "customer": request.customer.name},
        bulk_id=request.bulk_id,
    )
    ownership_services.open_claim(domain, ClaimReason.MOVED_IN)
    return domain
