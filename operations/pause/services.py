"""Pauses and resumes a customer's sending, and optionally receiving. Previews what stops and what continues.

Sending belongs to the SES tenant, receiving to the account's rules; each app applies its own part. Whoever changes both
locks the customer first, then the tenants, the stop of receiving and the pending change, as all that adds a domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.models import BatchItem, BatchItemState
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.planner.core.plans import Plan
from tenants.models.reputation import RateSample
from tenants.models.tenants import PauseReason, ResourceKind, SendingStatus, Tenant, TenantResource, TenantStatus
from tenants.pause import services as pause_services

require_permission = pause_services.require_permission  # of a batch
MOST_TENANTS = 200  # in one batch: a person waits while each is requested
SUSPENDED = "AWS has already suspended sending. The pause stays when AWS lifts the suspension."
PAUSED = "Already paused. Nothing changes."
PAUSING = "Already being paused. SES hasn’t confirmed it yet, so mail may still be sent. Nothing changes."
UNDONE = "Our pause was undone in SES, so mail may be sent. This pauses the tenant again."
PAUSES = "Sending stops. The status changes to Paused once SES confirms it."
STOPS_NOTHING = (
    "Stops no mail yet: this customer’s sends don’t name the tenant, so their mail still leaves. "
    "The pause counts once the customer is migrated."
)


@dataclass(frozen=True)
class StoppedIdentity:
    """`can_send`: it is verified, so mail can be sent from it until the pause."""

    name: str
    domain_id: str
    can_send: bool


@dataclass(frozen=True)
class SharedSet:
    """A configuration set that other tenants use too. The pause affects the tenant, so their sending continues."""

    name: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """What a person sees before a pause. `receiving`: the plan if receiving is stopped too; None: not requested.

    `receiving_problem`: why that plan can't be made; then the pause doesn't stop receiving. `through_tenant` False: the
    customer's sends don't name the tenant yet, so a pause doesn't stop them. `recipients`: the addresses and catch-alls
    that are on, of which the rules don't name those under a catch-all. `sent_in_a_day`: messages through the tenant, as
    last measured; None: unknown.
    """

    tenant: Tenant
    outcome: str
    changes_anything: bool
    stops: tuple[StoppedIdentity, ...]
    through_tenant: bool
    shared_sets: tuple[SharedSet, ...]
    goes_on: tuple[str, ...]
    recipients: int
    receiving: Plan | None = None
    receiving_problem: str = ""
    sent_in_a_day: int | None = None

    @property
    def all_stop(self) -> str:
        """Return that a stop of receiving affects also the addresses that the plan doesn't name; "" for one or none."""
        covered = "including addresses that the rules cover with a catch-all"
        several = f"All {self.recipients:,} addresses and catch-alls of this customer stop receiving, {covered}."
        return several if self.recipients > 1 else ""

    @property
    def receiving_digest(self) -> str:
        return self.receiving.digest if self.receiving else ""


def preview(*, tenant: Tenant, stops_receiving: bool = False) -> Preview:
    """Preview from the rows. With `stops_receiving` the live rules are read too, by one SES call."""
    plan, problem = _receiving(tenant) if stops_receiving else (None, "")
    recipients = _recipients(tenant)
    return Preview(
        tenant=tenant,
        outcome=_outcome(tenant),
        changes_anything=not tenant.is_paused or tenant.pause_is_undone,
        stops=_stops(tenant),
        through_tenant=tenant.names_tenant,
        shared_sets=_shared_sets(tenant),
        goes_on=_goes_on(tenant, plan, recipients),
        recipients=recipients,
        receiving=plan,
        receiving_problem=problem,
        sent_in_a_day=_sent_in_a_day(tenant),
    )


def pause(
    *,
    tenant: Tenant,
    reason: str,
    text: str,
    told: str,
    actor: User,
    review_on: date | None = None,
    stops_receiving: bool = False,
    receiving_digest: str = "",
    bulk_id: str = "",
) -> None:
    """Pause sending as `tenants.pause` does; `stops_receiving`: also apply the shown plan.

    Raises Refused and AwsProblem.
    """
    if stops_receiving:
        _refuse_changed(tenant, receiving_digest)
    with transaction.atomic():
        Customer.locked(tenant.customer_id)
        pause_services.pause(
            tenant=tenant,
            reason=reason,
            text=text,
            told=told,
            review_on=review_on,
            stops_receiving=stops_receiving,
            actor=actor,
            bulk_id=bulk_id,
        )
        if stops_receiving:
            auto_apply_services.stop(customer=tenant.customer, because=text.strip(), actor=actor, bulk_id=bulk_id)


def resume(*, tenant: Tenant, because: str, actor: User, bulk_id: str = "", seen: str = "") -> None:
    """Resume sending, and receiving if the pause stopped it. Raises Refused as `tenants.pause.services.resume`."""
    with transaction.atomic():
        Customer.locked(tenant.customer_id)
        pause_services.resume(tenant=tenant, because=because, actor=actor, bulk_id=bulk_id, seen=seen)
        auto_apply_services.resume(customer=tenant.customer, because=because.strip(), actor=actor, bulk_id=bulk_id)


def items_of(tenants: Sequence[Tenant]) -> list[BatchItem]:
    """Return unsaved items for `batches.services.start`."""
    return [BatchItem(name=tenant.name, tenant=tenant, customer=tenant.customer) for tenant in tenants]


def prepare(items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Mapping[str, str]:
    """Return the words of a batch of tenants, with its reason as shown. Raises Refused for none or too many."""
    if not items or len(items) > MOST_TENANTS:
        raise Refused(f"Select between 1 and {MOST_TENANTS} tenants." if items else "Select at least one tenant.")
    reason = words.get("reason", "")
    return {**words, "reason_words": PauseReason(reason).label} if reason in PauseReason.values else words


@transaction.atomic
def pause_in_batch(item: BatchItem, actor: User) -> None:
    if (tenant := _lock_tenant(item)) is None:
        return
    words = item.batch.words
    pause(
        tenant=tenant,
        reason=words["reason"],
        text=words["text"],
        told=words["told"],
        review_on=date.fromisoformat(words["review_on"]) if words["review_on"] else None,
        actor=actor,
        bulk_id=item.batch_id,
    )
    item.settle(now=timezone.now())


@transaction.atomic
def resume_in_batch(item: BatchItem, actor: User) -> None:
    if (tenant := _lock_tenant(item)) is None:
        return
    resume(tenant=tenant, because=item.batch.words["because"], actor=actor, bulk_id=item.batch_id)
    item.settle(now=timezone.now())


def _lock_tenant(item: BatchItem) -> Tenant | None:
    """Lock the item and return its tenant; None if another process was first. Raises Refused."""
    if not BatchItem.objects.select_for_update().filter(pk=item.pk, state=BatchItemState.WAITING).exists():
        return None
    if item.tenant is None:
        raise Refused("The tenant was deleted.")
    return item.tenant


def _receiving(tenant: Tenant) -> tuple[Plan | None, str]:
    try:
        return auto_apply_services.plan_to_stop(customer=tenant.customer), ""
    except (Refused, AwsProblem) as problem:
        return None, str(problem)


def _refuse_changed(tenant: Tenant, shown: str) -> None:
    if auto_apply_services.plan_to_stop(customer=tenant.customer).digest != shown:
        raise Refused(
            "The receipt rules changed after the preview. Review what stops before you pause.", code="PLAN_CHANGED"
        )


def _outcome(tenant: Tenant) -> str:
    if tenant.is_paused and not tenant.pause_is_undone:
        return PAUSING if tenant.is_under_way else PAUSED
    if tenant.standing == TenantStatus.SUSPENDED or tenant.amazon_status == SendingStatus.DISABLED:
        return SUSPENDED if tenant.names_tenant else f"{SUSPENDED} {STOPS_NOTHING}"
    if tenant.pause_is_undone:
        return UNDONE if tenant.names_tenant else f"{UNDONE} {STOPS_NOTHING}"
    return PAUSES if tenant.names_tenant else STOPS_NOTHING


def _stops(tenant: Tenant) -> tuple[StoppedIdentity, ...]:
    resources = TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.IDENTITY, wanted=True)
    names = list(resources.values_list("name", flat=True))
    domains = {domain.name: domain for domain in Domain.objects.filter(tenant=tenant, name__in=names)}
    return tuple(
        StoppedIdentity(
            name,
            domains[name].pk if name in domains else "",
            name in domains and domains[name].is_verified,
        )
        for name in names
    )


def _sent_in_a_day(tenant: Tenant) -> int | None:
    samples = RateSample.objects.filter(tenant=tenant, at__gt=timezone.now() - timedelta(days=1), sent__isnull=False)
    total: float | None = samples.aggregate(total=Sum("sent"))["total"]
    return None if total is None else round(total)


def _shared_sets(tenant: Tenant) -> tuple[SharedSet, ...]:
    sets = TenantResource.objects.filter(kind=ResourceKind.CONFIGURATION_SET, wanted=True)
    own = dict(sets.filter(tenant=tenant).values_list("arn", "name"))
    others: dict[str, list[str]] = {}
    for arn, name in sets.filter(arn__in=own).exclude(tenant=tenant).values_list("arn", "tenant__name"):
        others.setdefault(arn, []).append(name)
    return tuple(SharedSet(own[arn], tuple(sorted(names))) for arn, names in sorted(others.items()))


def _recipients(tenant: Tenant) -> int:
    addresses = Address.objects.filter(customer=tenant.customer_id, is_active=True)
    catch_alls = Domain.objects.filter(customer=tenant.customer_id, has_catch_all=True)
    below = CatchAll.objects.filter(domain__customer=tenant.customer_id, subdomains=True, is_active=True)
    return addresses.count() + catch_alls.count() + below.count()


def _goes_on(tenant: Tenant, plan: Plan | None, recipients: int) -> tuple[str, ...]:
    """`plan`: stops receiving; None if it isn't stopped."""
    sentences = ["The customer can still sign in and sees why sending stopped and what to do."]
    if plan is not None and (accepted := plan.still_accepted):
        several = "1 recipient" if accepted == 1 else f"{accepted:,} recipients"
        why = "because of another customer's subdomain catch-all above. It is stored, and delivered to nobody."
        sentences.insert(0, f"SES still accepts mail for {several}, {why}")
    if plan is None:
        mail = "1 address receives" if recipients == 1 else f"{recipients:,} addresses receive"
        arriving = f"Inbound mail keeps arriving; a pause only stops sending. {mail} mail."
        nothing = "A pause only stops sending. This customer has no address that receives mail."
        sentences.insert(0, arriving if recipients else nothing)
    if not tenant.names_tenant:
        sentences.insert(0, "Mail sent without the tenant name. This customer is not migrated yet.")
    return tuple(sentences)
