"""Deletes a domain in the order that SES requires: its tenant associations, then the identity, then our row.

Its receipt rules are removed first. `receipt_rules` calls `confirm_routes_removed` once no rule names the domain. Until
then the identity and the row stay, so that nobody else can hold the name while a rule still names it.
"""

import unicodedata
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import QuerySet
from django.db.models.deletion import Collector, ProtectedError
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject, domains_in_region
from domains.identity import gateway as identity_gateway
from domains.jobs import queue_deletion
from domains.models.domains import WISH, Domain, Stage
from domains.records.core import SPF_KEYS, Record
from domains.spf.core.grammar import AMAZON
from domains.spf.core.merger import DEFAULT_RECORD
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, Refused
from notifications.alerts import services as alerts_services
from tenants.resources import services as resources_services


@dataclass(frozen=True)
class RemainingRecord:
    """A record that stays published. `part` is our part of it if the rest belongs to the customer."""

    type: str
    name: str
    value: str
    part: str = ""


@dataclass(frozen=True)
class IdentityConsequences:
    """What a person confirms before a domain is deleted. `sub_domains`: those that must be deleted first."""

    records: tuple[RemainingRecord, ...]
    sub_domains: tuple[str, ...]
    in_use: tuple[str, ...]  # what still receives mail at it, and must be removed first


def consequences(domain: Domain) -> IdentityConsequences:
    below = _sub_domains(domain).exclude(stage=Stage.DELETING)
    return IdentityConsequences(_remaining_records(domain), tuple(str(sub) for sub in below), _in_use(domain))


def _remaining_records(domain: Domain) -> tuple[RemainingRecord, ...]:
    """Return the records that were published when last found, even if a lookup failed since.

    DMARC is left out: it protects the domain whoever sends for it.
    """
    known = {check.key: check.known for check in domain.record_checks.all() if check.key != "dmarc"}
    found = {key: result.found for key, result in known.items() if result and result.is_published}
    return tuple(_remaining_record(each, found[each.key]) for each in domain.records if each.key in found)


def _remaining_record(record: Record, found: tuple[str, ...]) -> RemainingRecord:
    is_ours = record.key not in SPF_KEYS or found == (DEFAULT_RECORD,)
    value = record.value if is_ours else " ".join(found)
    part = "" if is_ours else f"include:{AMAZON}"
    return RemainingRecord(record.type, record.name, value, part)


SAVED_FIELDS = ("stage", *WISH, "stage_problem", "deletion_bulk_id", "routes_removed_at", "watched_from")


@transaction.atomic
def mark_for_deletion(
    *, domain: Domain, typed_name: str, actor: User | None, bulk_id: str = "", because: str = ""
) -> bool:
    """Mark the domain for deletion, so that nothing can be added. Return False if nothing is left to do: an unproven
    claim is deleted at once.

    Raises Refused for a wrong name, while it has subdomains that aren't being deleted, while the domain is on hold, and
    while something receives mail.
    """
    locked = Domain.locked(domain.pk)
    refuse_deletion(domain=locked, typed_name=typed_name)
    if locked.stage == Stage.DELETING:
        return True
    _refuse_while_in_use(locked)
    if locked.stage == Stage.CLAIM and (not _may_have_identity(locked) or _is_held_by_another(locked)):
        _drop_claim(locked, actor, bulk_id, because)
        return False
    locked.stage, locked.stage_problem = Stage.DELETING, ""
    locked.deletion_bulk_id, locked.routes_removed_at, locked.watched_from = bulk_id, None, timezone.now()
    locked.set_wish(actor, because)
    locked.save(update_fields=SAVED_FIELDS)
    return True


@transaction.atomic
def confirm_routes_removed(*, domain_id: str) -> None:
    """Tell the worker that no receipt rule names the domain: it deletes the identity, then the row. Idempotent."""
    locked = Domain.objects.select_for_update().filter(pk=domain_id, stage=Stage.DELETING).first()
    if locked is None:
        return
    if locked.routes_removed_at is None:
        locked.routes_removed_at = timezone.now()
        locked.save(update_fields=("routes_removed_at",))
    queue_deletion(locked, unless_running=True)


def refuse_deletion(*, domain: Domain, typed_name: str) -> None:
    """Raise Refused for a wrong name, while it has subdomains that aren't being deleted, and while it is on hold."""
    typed = unicodedata.normalize("NFC", typed_name).strip().rstrip(".").lower()
    if typed not in {domain.name, domain.parsed.unicode.lower()}:
        raise Refused(f"To delete the domain, type its name: {domain}", code="NAME_NOT_TYPED")
    if _sub_domains(domain).exclude(stage=Stage.DELETING).exists():
        sentence = f"{domain} has subdomains here. Delete those first, because they may still receive mail."
        raise Refused(sentence, code="HAS_SUB_DOMAINS")
    if domain.is_held:
        raise Refused("This domain is on hold, so it can't be deleted. Contact support.", code="HELD")


def _drop_claim(domain: Domain, actor: User | None, bulk_id: str, because: str) -> None:
    """An unproven claim owns nothing in SES. The identity may be another customer's."""
    before = {"name": domain.name, "customer": domain.customer.name}
    about = domain_subject(domain)
    audit_services.record("domain.deleted", about=about, actor=actor, because=because, before=before, bulk_id=bulk_id)
    alerts_services.resolve_silently(about=about)
    domain.delete()


def execute_deletion(*, domain_id: str) -> None:
    """Delete the identity and the row. Idempotent; does nothing before `confirm_routes_removed`. Raises AwsProblem,
    which is also stored for the page.
    """
    ready = domains_in_region().filter(pk=domain_id, stage=Stage.DELETING, routes_removed_at__isnull=False)
    domain = ready.select_related("wanted_by", "customer").first()
    if domain is None:
        return
    with aws.recording() as request_ids:
        try:
            if _is_ours(domain):
                delete_identity(domain)
        except AwsProblem as problem:
            Domain.objects.filter(pk=domain.pk).update(stage_problem=str(problem))
            raise
    _finish(domain, request_ids)


def delete_displaced_identity(*, domain_id: str) -> None:
    """Delete the identity of a domain that another customer's proof displaced. Its claim stays. Idempotent."""
    waiting = domains_in_region().select_related("customer").filter(stage=Stage.CLAIM, identity_deletion_wanted=True)
    domain = waiting.filter(pk=domain_id).first()
    if domain is None:
        return
    if _is_ours(domain):
        delete_identity(domain)
    resources_services.forget_identity(name=domain.name, customer=domain.customer)
    Domain.objects.filter(pk=domain.pk).update(identity_deletion_wanted=False)


def _may_have_identity(domain: Domain) -> bool:
    return bool(domain.dkim_tokens) or domain.identity_deletion_wanted


def _is_ours(domain: Domain) -> bool:
    """Return True if SES has the identity, and we created it for this domain or adopted it on a proven claim. Others
    stay.
    """
    if domain.claim_token and not domain.claim_proven_at and not _may_have_identity(domain):
        return False  # an unproven claim has created nothing in SES
    if _is_held_by_another(domain):
        return False
    try:
        identity = identity_gateway.get_identity(domain.name)
    except AwsMissing:
        return False
    return (
        domain.adopted
        or domain.claim_proven_at is not None
        or (identity_gateway.DOMAIN_TAG, domain.id) in identity.tags
    )


def _is_held_by_another(domain: Domain) -> bool:
    """Return True if another customer has proven the name: the identity is theirs now, whoever created it."""
    return Domain.objects.filter(name=domain.name).exclude(pk=domain.pk).exclude(stage=Stage.CLAIM).exists()


def delete_identity(domain: Domain) -> None:
    arn = aws.identity_arn(domain.name)
    try:
        resources_services.dissociate_everywhere(arn)
        identity_gateway.delete_identity(domain.name)
    except AwsMissing:
        return  # deleted by an earlier attempt whose answer was lost


@transaction.atomic
def _finish(domain: Domain, request_ids: list[str]) -> None:
    if not Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.DELETING).exists():
        return
    before = {"name": domain.name, "customer": domain.customer.name, "state": domain.known_state}
    audit_services.record(
        "domain.deleted",
        about=domain_subject(domain),
        actor=domain.wish_actor,
        because=domain.wanted_because,
        before=before,
        aws_request_ids=request_ids,
        bulk_id=domain.deletion_bulk_id,
    )
    alerts_services.resolve_silently(about=domain_subject(domain))
    sub_identities_services.leave_tenants(domain, domain.customer)
    domain.delete()
    resources_services.forget_identity(name=domain.name, customer=domain.customer)


def _refuse_while_in_use(domain: Domain) -> None:
    """Rows of the apps above protect the domain with foreign keys, so this app need not know them."""
    if things := _in_use(domain):
        shown = ", ".join(things[:5])
        raise Refused(
            f"{domain} still receives mail. Remove these first: {shown}.",
            code="DOMAIN_IN_USE",
        )


def _in_use(domain: Domain) -> tuple[str, ...]:
    try:
        Collector(using=DEFAULT_DB_ALIAS).collect([domain])
    except ProtectedError as error:
        return tuple(sorted(str(thing) for thing in error.protected_objects))
    return ()


def sub_domain_being_deleted(domain: Domain) -> Domain | None:
    """Return the first one, for which the deletion of this domain waits."""
    return _sub_domains(domain).filter(stage=Stage.DELETING).first()


def _sub_domains(domain: Domain) -> QuerySet[Domain]:
    return Domain.objects.filter(customer=domain.customer_id, name__endswith=f".{domain.name}").order_by("name")
