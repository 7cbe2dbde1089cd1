"""Compares the identities in SES with our domains, nightly and on demand, and applies decisions.

As in `tenant_drift`, a decision changes the desired state in the rows of the domains app, whose worker updates SES.
"""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.adoption import services as adoption_services
from domains.domain_list import selectors as domain_list_selectors
from domains.drift import services as drift_services
from domains.drift.services import RemoteSettings
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift import core as drift_core
from operations.drift.core import IDENTITIES_AREA, Decision, FoundDifference, IdentitySettings, OurDomain
from operations.drift_store import services as drift_store_services
from operations.jobs import queue_drift_check
from operations.models import Difference

CANNOT = "This can’t be restored from here. Accept it from SES, or ignore it with a reason."
NOT_YOURS = "Your role can't resolve differences in identities. Ask an operator."
RIGHT = "domains.adopt_identity"


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
    there = _remote_identities(drift_services.existing_names(sorted(names)))
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
            drift_services.reapply_settings(
                domain=domain, seen=_found_settings(domain, difference), actor=actor, because=because
            )
        queue_drift_check()


def adopt(*, difference: Difference, because: str, actor: User, customer: Customer | None = None) -> None:
    """Store what SES has. An unowned identity becomes this customer's. Raises Refused, AwsProblem.

    If the identity is gone, the domain becomes a claim, and nothing is created before ownership is proven.
    """
    _require(actor)
    if difference.kind == drift_core.UNOWNED:
        _adopt_unowned(difference, because, actor, customer)
        return
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.ADOPT, because=because, actor=actor
        )
        domain = _domain(difference)
        seen = _found_settings(domain, difference)
        if difference.kind == drift_core.GONE:
            drift_services.return_to_claim(domain=domain)
        elif difference.kind == drift_core.SIGNING:
            drift_services.accept_dkim_signing(domain=domain, signs=seen.signs, actor=actor, because=because)
        else:
            drift_services.accept_mail_from(
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
        raise Refused(drift_services.GONE, code="GONE")
    return found


def _found_settings(domain: Domain, difference: Difference) -> RemoteSettings:
    """Return what SES was found to have; for settings without a difference, what was last sent."""
    found, own = difference.found, _sent_settings(domain)
    if difference.kind == drift_core.MAIL_FROM:
        return RemoteSettings(
            found["mail_from"], found.get("while_missing") == drift_core.WHILE_MISSING[True], own.signs
        )
    return RemoteSettings(own.mail_from, own.rejects, found.get("dkim_signing", own.signs))


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
    seen = drift_services.settings_of(sorted(held))
    tokens = {name: remote.dkim_tokens for name, remote in seen.items()}
    identity_status_services.read_new_keys(tokens, now=timezone.now())  # old keys can't be restored in SES
    return {name: _settings(seen[name]) if name in seen else None for name in names}


def _settings(seen: RemoteSettings) -> IdentitySettings:
    return IdentitySettings(seen.mail_from, seen.rejects, seen.signs)


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
