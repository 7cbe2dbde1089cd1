"""Compares the identities in SES with our domains, nightly and on demand, and applies decisions.

As in `tenant_drift`, a decision changes the desired state in the rows of the domains app, whose worker updates SES.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.adoption import services as adoption_services
from domains.adoption.services import batches
from domains.checking.core.judgement import SesStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.identity.core import NO_DKIM, NO_MAIL_FROM
from domains.identity_status import services as identity_status_services
from domains.jobs import queue_configuration
from domains.models.domains import WISH, Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.ownership.core import ClaimReason
from domains.ownership.services import CLEARED
from domains.ownership_claims import services as ownership_claims_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift import core as drift_core
from operations.drift.core import IDENTITIES_AREA, Decision, FoundDifference, IdentitySettings, OurDomain
from operations.drift_store import services as drift_store_services
from operations.jobs import queue_drift_check
from operations.models import Difference
from tenants.resources import services as resources_services

CANNOT = "This can’t be restored from here. Accept it from SES, or ignore it with a reason."
NOT_YOURS = "Your role can't resolve differences in identities. Ask an operator."
RIGHT = "domains.adopt_identity"
IS_BACK = "SES has this identity again. Check again."
GONE = "The domain is no longer set up. Reload the page."
Values = Mapping[str, object]


def work() -> None:
    """Run the check that is due, or one of names decided since. Raises AwsProblem, which is stored."""
    try:
        if drift_store_services.is_requested(IDENTITIES_AREA):
            check_all(now=timezone.now())
        elif names := _decided():
            check_named(names, now=timezone.now())
    except AwsProblem as problem:
        drift_store_services.record_check(IDENTITIES_AREA, problem=str(problem))
        raise


def check_all(*, now: datetime) -> int:
    """Check all identities: one call for each thousand, and two for each hundred that customers have.

    Returns how many differences are new. Raises AwsProblem; then no difference is changed.
    """
    with aws.recording() as calls:
        names = frozenset(name for name in identity_services.list_ses_identities() if "@" not in name)
        there = _remote_identities(names)
    new = drift_store_services.store(area=IDENTITIES_AREA, found=_compare(there, None), now=now)
    drift_store_services.record_check(IDENTITIES_AREA, at=now, calls=len(calls), problem="")
    drift_store_services.end_request(IDENTITIES_AREA, began=now)
    return new


def check_named(names: frozenset[str], *, now: datetime) -> int:
    """Check only identities with these names: three calls for each hundred. Raises AwsProblem."""
    there = _remote_identities(existing_names(sorted(names)))
    return drift_store_services.store(area=IDENTITIES_AREA, found=_compare(there, names), now=now, places=names)


def close_owned(*, now: datetime) -> None:
    """Close differences of unowned identities that a customer has got since the last check. Makes no call."""
    held = domain_list_selectors.domains_in_region().exclude(stage=Stage.CLAIM).values("name")
    rows = Difference.objects.filter(
        region=settings.AWS_REGION, area=IDENTITIES_AREA, kind=drift_core.UNOWNED, gone_at=None
    )
    rows.filter(subject__in=held).update(gone_at=now)


def ignore(*, difference: Difference, because: str, actor: User) -> None:
    """Ignore it until it changes. Raises Refused."""
    _require(actor)
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.IGNORE, because=because, actor=actor
        )


def restore(*, difference: Difference, because: str, actor: User) -> None:
    """Send the desired settings to SES again; a missing identity is set up again. Raises Refused."""
    _require(actor)
    if difference.kind not in (drift_core.GONE, drift_core.MAIL_FROM, drift_core.SIGNING):
        raise Refused(CANNOT, code="NOT_POSSIBLE")
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.RESTORE, because=because, actor=actor
        )
        domain = _domain(difference)
        if difference.kind == drift_core.GONE:
            settings_services.restart_verification(domain=domain, actor=actor)
        else:
            reapply_settings(domain=domain, seen=_found_settings(domain, difference), actor=actor, because=because)
        queue_drift_check()


def adopt(*, difference: Difference, because: str, actor: User, customer: Customer | None = None) -> None:
    """Store what SES has. An unowned identity becomes this customer's. Raises Refused, AwsProblem.

    If the identity is gone, the domain becomes a claim, and nothing is created before ownership is proven.
    """
    _require(actor)
    if difference.kind == drift_core.UNOWNED:
        _adopt_unowned(difference, because, actor, customer)
        return
    if difference.kind == drift_core.GONE and existing_names([difference.subject]):  # the check may be a day old
        raise Refused(IS_BACK, code="STATE_CHANGED")
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.ADOPT, because=because, actor=actor
        )
        domain = _domain(difference)
        seen = _found_settings(domain, difference)
        if difference.kind == drift_core.GONE:
            return_to_claim(domain=domain)
        elif difference.kind == drift_core.SIGNING:
            accept_dkim_signing(domain=domain, signs=seen.signs, actor=actor, because=because)
        else:
            accept_mail_from(
                domain=domain, mail_from=seen.mail_from, rejects=seen.rejects, actor=actor, because=because
            )
        queue_drift_check()


def _adopt_unowned(difference: Difference, because: str, actor: User, customer: Customer | None) -> None:
    if customer is None:
        raise Refused("Choose the customer for this domain.", code="CUSTOMER_MISSING")
    drift_store_services.check_present(difference)
    wish = adoption_services.AdoptionRequest(customer, actor, because)
    (outcome,) = adoption_services.adopt(names=[difference.subject], request=wish)
    if outcome.status not in (adoption_services.AdoptionStatus.ADOPT, adoption_services.AdoptionStatus.THEIRS):
        raise Refused(_WHY_NOT.get(outcome.status, "This identity can’t be accepted."), code="NOT_POSSIBLE")
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.ADOPT, because=because, actor=actor
        )
        Difference.objects.filter(pk=difference.pk).update(customer=customer)
        queue_drift_check()


_WHY_NOT = {
    adoption_services.AdoptionStatus.TAKEN: "The domain now belongs to another customer. Check again.",
    adoption_services.AdoptionStatus.NOT_AT_AMAZON: "The identity no longer exists in SES. Check again.",
    adoption_services.AdoptionStatus.NO_DOMAIN: "This name can’t be a customer’s domain: it may be a public suffix.",
}


def _require(actor: User) -> None:
    if not actor.has_perm(RIGHT):
        raise Refused(NOT_YOURS, code="NOT_ALLOWED")


def _domain(difference: Difference) -> Domain:
    found = domain_list_selectors.domains_in_region().filter(name=difference.subject, stage=Stage.READY).first()
    if found is None:
        raise Refused(GONE, code="GONE")
    return found


def _found_settings(domain: Domain, difference: Difference) -> IdentitySettings:
    """Return what SES was found to have; for settings without a difference, what was last sent."""
    found, own = difference.found, _sent_settings(domain)
    if difference.kind == drift_core.MAIL_FROM:
        return IdentitySettings(
            found["mail_from"], found.get("while_missing") == drift_core.WHILE_MISSING[True], own.signs
        )
    return IdentitySettings(own.mail_from, own.rejects, found.get("dkim_signing", own.signs))


def _decided() -> frozenset[str]:
    """Return names with a decision since their last check."""
    rows = Difference.objects.filter(region=settings.AWS_REGION, area=IDENTITIES_AREA, gone_at=None)
    acted = rows.filter(decision__in=(Decision.ADOPT, Decision.RESTORE), decided_at__gt=F("last_seen_at"))
    return frozenset(acted.values_list("place", flat=True))


def _remote_identities(names: frozenset[str]) -> dict[str, IdentitySettings | None]:
    held = set(
        domain_list_selectors.domains_in_region()
        .filter(stage=Stage.READY, name__in=names)
        .values_list("name", flat=True)
    )
    seen, tokens = _seen_settings(sorted(held))
    identity_status_services.read_new_keys(tokens, now=timezone.now())  # old keys can't be restored in SES
    return {name: seen.get(name) for name in names}


def _seen_settings(names: Sequence[str]) -> tuple[dict[str, IdentitySettings], dict[str, tuple[str, ...]]]:
    """Return the settings that can be changed in the SES console, and the DKIM tokens. Raises AwsProblem for all."""
    found, tokens = {}, {}
    for some in batches(names):
        dkim, mail_from = identity_gateway.get_dkim(some), identity_gateway.get_mail_from(some)
        for name in some:
            if name in dkim or name in mail_from:  # otherwise it was just deleted
                remote, own = mail_from.get(name, NO_MAIL_FROM), dkim.get(name, NO_DKIM)
                found[name] = IdentitySettings(remote.name, remote.rejects_on_mx_failure, own.signing)
                tokens[name] = own.tokens
    return found, tokens


def _compare(there: Mapping[str, IdentitySettings | None], names: frozenset[str] | None) -> tuple[FoundDifference, ...]:
    rows = domain_list_selectors.domains_in_region().exclude(stage=Stage.CLAIM).select_related("customer")
    domains = list(rows if names is None else rows.filter(name__in=names))
    on_their_way = frozenset(row.name for row in domains if row.stage != Stage.READY or row.is_configuring)
    ours = [
        OurDomain(row.name, row.customer_id, row.customer.name, _sent_settings(row))
        for row in domains
        if row.name not in on_their_way
    ]
    return drift_core.compare_identities(ours, on_their_way, there)


def _sent_settings(domain: Domain) -> IdentitySettings:
    rejects = domain.ses_on_mx_failure == Domain.OnMxFailure.REJECT
    return IdentitySettings(domain.ses_mail_from, rejects, domain.ses_dkim_signing)


# Decisions: each changes either our row or SES.


def existing_names(names: Sequence[str]) -> frozenset[str]:
    """Return the names that SES has, one call per hundred. Raises AwsProblem."""
    return frozenset(name for some in batches(names) for name in identity_gateway.get_verification(some))


@transaction.atomic
def accept_mail_from(*, domain: Domain, mail_from: str, rejects: bool, actor: User, because: str) -> None:
    """Make SES's MAIL FROM domain the desired one. Raises Refused."""
    locked = _ready(domain)
    if mail_from:
        settings_services.refuse_receiving(mail_from, locked)
    before = {"mail_from": locked.mail_from, "on_mx_failure": locked.on_mx_failure}
    behaviour = Domain.OnMxFailure.REJECT if rejects else Domain.OnMxFailure.USE_DEFAULT
    if mail_from != locked.ses_mail_from:
        locked.mail_from_status = SesStatus.UNKNOWN
    locked.mail_from_label, locked.ses_mail_from = mail_from.removesuffix(f".{locked.name}"), mail_from
    locked.on_mx_failure = locked.ses_on_mx_failure = behaviour
    locked.next_check_at = timezone.now()
    fields = ("mail_from_label", "ses_mail_from", "on_mx_failure", "ses_on_mx_failure")
    locked.save(update_fields=(*fields, "mail_from_status", "next_check_at"))
    RecordCheck.objects.filter(domain=locked, key__startswith="mail-from-").delete()
    after = {"mail_from": mail_from, "on_mx_failure": behaviour.value}
    _record("domain.mail_from", locked, actor, because, before, after)


@transaction.atomic
def accept_dkim_signing(*, domain: Domain, signs: bool, actor: User, because: str) -> None:
    """Make SES's DKIM signing switch the desired one. Raises Refused."""
    locked = _ready(domain)
    before = {"dkim_signing": locked.dkim_signing}
    locked.dkim_signing = locked.ses_dkim_signing = signs
    locked.save(update_fields=("dkim_signing", "ses_dkim_signing"))
    _record("domain.dkim_signing", locked, actor, because, before, {"dkim_signing": signs})


@transaction.atomic
def reapply_settings(*, domain: Domain, seen: IdentitySettings, actor: User, because: str) -> None:
    """Apply our settings to SES again: store what SES has, and the worker corrects the difference. Raises Refused."""
    locked = _ready(domain)
    locked.ses_mail_from, locked.ses_dkim_signing = seen.mail_from, seen.signs
    locked.ses_on_mx_failure = Domain.OnMxFailure.REJECT if seen.rejects else Domain.OnMxFailure.USE_DEFAULT
    locked.set_wish(actor, because)
    locked.save(update_fields=("ses_mail_from", "ses_dkim_signing", "ses_on_mx_failure", *WISH))
    if locked.is_configuring:
        queue_configuration(locked)


@transaction.atomic
def return_to_claim(*, domain: Domain) -> None:
    """Turn the domain into a claim, since SES has no identity, and alert its owners. Ownership must be proven again
    first. Raises Refused.
    """
    locked = _ready(domain)
    Domain.objects.filter(pk=locked.pk).update(stage=Stage.STARTING, **CLEARED)
    RecordCheck.objects.filter(domain=locked).delete()
    resources_services.forget_identity(name=locked.name, customer=locked.customer)
    locked.refresh_from_db()
    ownership_claims_services.require_proof(locked, ClaimReason.GONE)
    ownership_claims_services.announce_undone(locked)


def _ready(domain: Domain) -> Domain:
    locked = Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.READY).first()
    if locked is None:
        raise Refused(GONE, code="GONE")
    return locked


def _record(what: str, domain: Domain, actor: User, because: str, before: Values, after: Values) -> None:
    audit_services.record(what, about=domain_subject(domain), actor=actor, because=because, before=before, after=after)
