"""Staff overrides of a domain, each with who and why.

- A status that staff set for a time is shown next to the checked one, and ends automatically.
- Hold, release, transfer to another customer, note, and a new check.
- The expected value of a record instead of ours, such as an MX that stays elsewhere.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require, require_reason
from audit import services as audit_services
from domains.announcements import services as announcements_services
from domains.checking.core.judgement import State
from domains.domain_list.selectors import domain_subject
from domains.identity import services as identity_services
from domains.jobs import queue_checks
from domains.models.domains import WISH, Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.ownership.services import (
    announce_transfer,
    handover_shown,
    holder_changed,
    lock_names,
    tenure_ended,
    withdraw_warning,
)
from domains.records.core import EXPECTABLE, parse_expected_host
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.moments import minute_in_utc
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts import services as alerts_services
from tenants.lifecycle.selectors import tenant_of
from tenants.resources import services as resources_services
from tenants.resources.selectors import default_set_of_its_tenant

LONGEST = timedelta(days=92)
NO_EXCEPTIONS = "Only support can change record exceptions."
FIELDS = ("override_state", "override_until", "override_at", "override_by", "override_because")
_HOLD = ("held_at", "held_because", "held_until")
_OVERRIDE = ("override_state", "override_until", "override_because")
SHOWN = {  # what the support page shows of a domain beside each button, besides its customer
    "hold": _HOLD,
    "release": _HOLD,
    "transfer": (),
    "override": _OVERRIDE,
    "end_override": _OVERRIDE,
    "expect": ("expectations",),
    "expect_no_more": ("expectations",),
}


def shown_values(domain: Domain, button: str) -> dict[str, Any]:
    """Return what the support page shows beside the button, for `inbound_admin.lib.seen`."""
    return {name: getattr(domain, name) for name in ("customer_id", *SHOWN[button])}


def _refuse_unseen(locked: Domain, button: str, seen: str) -> None:
    """Raise ChangedMeanwhile if the page with the button showed another customer or state."""
    refuse_if_changed(seen, shown_values(locked, button))


@transaction.atomic
def override_state(
    *,
    domain: Domain,
    state: str,
    because: str,
    until: datetime | None,
    actor: User,
    bulk_id: str = "",
    seen: str = "",
) -> None:
    """Raises Refused without permission, without a reason, or if the end is missing or too far away.

    `seen`: of the form, here and below. Raises ChangedMeanwhile.
    """
    require(actor, "domains.override_state", "Only operators can override a status.")
    if state not in set(State):
        raise Refused("Choose the status to show.", code="STATE_MISSING")
    because = require_reason(because, "Enter the reason for the override.")
    now = timezone.now()
    if until is None or not now < until <= now + LONGEST:
        raise Refused(f"Enter an end time in the future, within {LONGEST.days} days.", code="UNTIL_MISSING")
    locked = _locked(domain)
    if locked.stage != Stage.READY:
        raise Refused(f"{domain} isn't set up yet, so its status can't be overridden.")
    if (locked.override_state, locked.override_until, locked.override_because) == (state, until, because):
        return
    _refuse_unseen(locked, "override", seen)
    before = _override_values(locked)
    locked.override_state, locked.override_until = state, until
    locked.override_at, locked.override_by, locked.override_because = now, actor, because
    _store_state(locked, "domain.state_overridden", before, actor, because, bulk_id)


@transaction.atomic
def end_override(*, domain: Domain, actor: User, because: str = "", bulk_id: str = "", seen: str = "") -> None:
    """Show the checked status again. Raises Refused if there is no override."""
    require(actor, "domains.override_state", "Only operators can override a status.")
    locked = _locked(domain)
    if not locked.override_state:
        raise Refused(f"The status of {domain} isn't overridden.")
    _refuse_unseen(locked, "end_override", seen)
    _end(locked, actor, because.strip(), bulk_id)


def end_expired_overrides(*, now: datetime) -> int:
    """End the overrides that have expired, each with a change log entry; return their number."""
    over = Domain.objects.filter(override_until__lte=now)
    return _each_expired("expired overrides", over, lambda locked: _end(locked, None, "The override expired.", ""))


def _each_expired(what: str, over: QuerySet[Domain], end: Callable[[Domain], None]) -> int:
    """End it for each row that is still among them once it is locked; return their number."""

    @transaction.atomic
    def end_one(domain: Domain) -> None:
        for locked in over.select_for_update().filter(pk=domain.pk):
            end(locked)

    return len(isolation.each_alone(what, list(over), end_one))


def clear_override(locked: Domain) -> None:
    """Clear the override without a change log entry, as part of another change."""
    locked.override_state, locked.override_because = "", ""
    locked.override_until = locked.override_at = locked.override_by = None


def _end(locked: Domain, actor: User | None, because: str, bulk_id: str) -> None:
    before = _override_values(locked)
    clear_override(locked)
    _store_state(locked, "domain.override_ended", before, actor, because, bulk_id)


def _store_state(
    locked: Domain, what: str, before: dict[str, str | None], actor: User | None, because: str, bulk_id: str
) -> None:
    locked.save(update_fields=FIELDS)
    _record(what, locked, actor, because, bulk_id, before=before, after=_override_values(locked))


def _override_values(domain: Domain) -> dict[str, str | None]:
    until = domain.override_until
    return {
        "shown_as": domain.override_state or domain.state,
        "until": minute_in_utc(until) if until else None,
    }


BY_STAFF = "Moved by support."
KEEPS_SET = (
    "SES uses the configuration set {set} for mail from {domain} that names no other, also after a transfer: bounces "
    "and complaints go on counting for {customer}. Choose another default set in SES after the transfer."
)
PAST = "That time is in the past. Choose a later time, or leave the field blank."
TRANSFER_FIELDS = (
    *("customer", "tenant", *WISH, "held_because", "expectations", "dmarc_reports_to", "said_added_at"),
    *("routes_unchecked", "routes_problem", "routes_look_at", "former_dkim_key"),
    *("moved_at", "moved_from", "held_since"),
    *("next_check_at", "proven_at", "unproven_warned_at", *FIELDS),
)


@transaction.atomic
def hold(
    *, domain: Domain, because: str, actor: User, until: datetime | None = None, bulk_id: str = "", seen: str = ""
) -> None:
    """Stop checks until released, or until the given time. Raises Refused without a reason or if already on hold."""
    locked = _locked(domain)
    if locked.is_held:
        raise Refused(f"{domain} has been on hold since {locked.held_at:%-d %B %Y}.")
    because = require_reason(because, "Enter the reason for the hold.")
    if until is not None and until <= timezone.now():
        raise Refused(PAST)
    _refuse_unseen(locked, "hold", seen)
    locked.held_at, locked.held_by = timezone.now(), actor
    locked.held_because, locked.held_until = because, until
    locked.save(update_fields=("held_at", "held_by", "held_because", "held_until"))
    withdraw_warning(locked)
    after = {"held": True, "until": minute_in_utc(until) if until else None}
    _record("domain.held", locked, actor, because, bulk_id, before={"held": False}, after=after)


@transaction.atomic
def release(*, domain: Domain, actor: User | None, because: str = "", bulk_id: str = "", seen: str = "") -> None:
    """Resume checks. Raises Refused if the domain is not on hold."""
    locked = _locked(domain)
    if not locked.is_held:
        raise Refused(f"{domain} isn't on hold.")
    _refuse_unseen(locked, "release", seen)
    _release(locked, actor, because.strip(), bulk_id)


def _release(locked: Domain, actor: User | None, because: str, bulk_id: str) -> None:
    locked.held_at = locked.held_by = locked.held_until = None
    locked.held_because, locked.next_check_at = "", timezone.now()
    locked.save(update_fields=("held_at", "held_by", "held_because", "held_until", "next_check_at"))
    withdraw_warning(locked)
    _record("domain.released", locked, actor, because, bulk_id, before={"held": True}, after={"held": False})
    queue_checks()


def release_expired_holds(*, now: datetime) -> int:
    """Release holds whose end has passed; return their number."""
    over = Domain.objects.filter(held_at__isnull=False, held_until__lte=now)
    return _each_expired("expired holds", over, lambda locked: _release(locked, None, "The hold expired.", ""))


def _refuse_transfer(domain: Domain, to: Customer) -> None:
    if domain.customer == to:
        raise Refused(f"{domain} already belongs to {to}.")
    if domain.stage == Stage.DELETING:
        raise Refused(f"{domain} is being deleted.")
    if Domain.objects.filter(customer=to, name=domain.name).exists():
        raise Refused(f"{to} has already added {domain}. Approve or delete that claim instead.")


def _record_transfer(domain: Domain, before: Customer, *, because: str, actor: User, bulk_id: str) -> None:
    """Write one entry for staff, with both names and the reason, and one for each customer, without them."""
    names: dict[str, Any] = {"before": {"customer": before.name}, "after": {"customer": domain.customer.name}}
    _record("domain.transferred", domain, actor, because, bulk_id, **names, for_staff=True)
    left, come = replace(domain_subject(domain), customer_id=before.pk), domain_subject(domain)
    for what, about in (("domain.moved_out", left), ("domain.moved_in", come)):
        audit_services.record(what, about=about, actor=None, because=BY_STAFF, bulk_id=bulk_id)


def _record_former_holder(domain: Domain, before: Customer) -> None:
    """Kept until the rules are read and deliver as desired. After several transfers, the first customer's routes may
    remain.
    """
    domain.held_since = domain.next_check_at = timezone.now()
    if domain.moved_at is None:
        domain.moved_at, domain.moved_from = domain.held_since, before
    domain.unproven_warned_at = None  # the new customer has had no warning
    domain.routes_unchecked, domain.routes_problem, domain.routes_look_at = True, "", None


def _end_tenure(domain: Domain, before: Customer) -> None:
    """Earlier mail stays the former customer's. Until the commit, route lookup gives them later mail too: call it last,
    because the two times may differ by no more than clocks do.
    """
    holder_changed.send(sender=Domain, domain=domain, former=before)
    if domain.proven_at is None:
        return
    since, domain.proven_at = domain.proven_at, timezone.now()
    domain.save(update_fields=("proven_at",))
    tenure_ended.send(sender=Domain, name=domain.name, customer_id=before.pk, since=since, until=domain.proven_at)


def _clear_own_wishes(locked: Domain) -> None:
    """Clear what only the former customer may see: an address of theirs, and what they said. What SES has stays."""
    RecordCheck.objects.filter(domain=locked, key__in=locked.expectations).delete()  # judged by them
    locked.expectations, locked.said_added_at = {}, None
    if locked.dmarc_reports_to:
        locked.dmarc_reports_to = ""
        RecordCheck.objects.filter(domain=locked, key__startswith="dmarc").delete()  # it quotes the address


def _withdraw_notices(locked: Domain) -> None:
    announcements_services.delete_notices(locked)
    alerts_services.resolve_for_former(about=domain_subject(locked))
    if locked.former_dkim_key:
        announcements_services.update_former_key_alert(locked)


def handover_sentence(domain: Domain) -> str:
    """Return what stays the former holder's, for staff: mail that isn't delivered yet, and counts in SES."""
    told = [sentence for _, sentence in handover_shown.send(sender=Domain, domain=domain)]
    if domain.stage == Stage.READY and (name := default_set_of_its_tenant(domain.name)):
        told.append(KEEPS_SET.format(set=name, domain=domain, customer=domain.customer))
    return " ".join(filter(None, told))


def transfer(
    *, domain: Domain, to: Customer | None, because: str, actor: User, bulk_id: str = "", seen: str = ""
) -> None:
    """Move the domain to another customer, and queue an email to both's owners. Raises Refused, ChangedMeanwhile."""
    if to is None:
        raise Refused("Choose the new customer.", code="CUSTOMER_MISSING")
    because = require_reason(because, "Enter the reason for the transfer.")
    arn = identity_services.identity_arn_for(domain, tenant_of(to))
    with transaction.atomic():
        lock_names(domain.parsed)  # the new customer adds no domain of this name meanwhile
        locked = _locked(domain)
        before = locked.customer
        _refuse_transfer(locked, to)
        _refuse_unseen(locked, "transfer", seen)
        locked.customer = to
        sub_identities_services.leave_tenants(locked, before)
        identity_services.move_to_tenant(locked, arn, resources_services.tenant_to_join(to))
        locked.set_wish(None, "")  # the new customer must not see who requested changes before
        if locked.is_held:
            locked.held_because = "Put on hold before it was transferred. Contact support."
        _clear_own_wishes(locked)
        _record_former_holder(locked, before)
        locked.former_dkim_key = locked.own_dkim_key
        clear_override(locked)
        locked.save(update_fields=TRANSFER_FIELDS)
        _withdraw_notices(locked)
        locked.share_links.all().delete()  # they were given to people of the former customer, and name them
        _record_transfer(locked, before, because=because, actor=actor, bulk_id=bulk_id)
        _end_tenure(locked, before)
        announce_transfer(locked, before)
    domain.customer = to


@transaction.atomic
def write_note(*, domain: Domain, note: str, actor: User, seen: str = "") -> None:
    """Store the note, which only staff see. `seen`: of the form that shows it. Raises ChangedMeanwhile."""
    locked = _locked(domain)
    if locked.note == note.strip():
        return
    before, after = {"note": locked.note}, {"note": note.strip()}
    refuse_if_changed(seen, before)
    locked.note = note.strip()
    locked.save(update_fields=("note",))
    _record("domain.note", locked, actor, before=before, after=after, for_staff=True)


@transaction.atomic
def check_again(*, domain: Domain, actor: User, bulk_id: str = "") -> None:
    """Make the domain due first in the worker's queue. Raises Refused while it is on hold."""
    if domain.is_held:
        raise Refused(f"{domain} is on hold. Release it first.")
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now())
    _record("domain.check_forced", domain, actor, bulk_id=bulk_id, for_staff=True)
    queue_checks()


def _record(what: str, domain: Domain, actor: User | None, because: str = "", bulk_id: str = "", **shown: Any) -> None:
    about = domain_subject(domain)
    audit_services.record(what, about=about, actor=actor, because=because, bulk_id=bulk_id, **shown)


def _locked(domain: Domain) -> Domain:
    return Domain.locked(domain.pk, "customer")


@transaction.atomic
def expect_record(
    *, domain: Domain, key: str, value: str, because: str, actor: User, bulk_id: str = "", seen: str = ""
) -> None:
    """Store an exception. An empty `value` means that the record is not required. Raises Refused."""
    require(actor, "domains.expect_record", NO_EXCEPTIONS)
    because = require_reason(because, "Enter the reason for the exception.")
    fields = {"value": parse_expected_host(key, value), "because": because}
    locked = _locked(domain)
    known = locked.expectations.get(key, {})
    if {name: known.get(name) for name in fields} == fields:
        raise Refused("That exception already exists.")
    _refuse_unseen(locked, "expect", seen)
    stamped = {**fields, "by": actor.get_username(), "at": timezone.now().isoformat(timespec="seconds")}
    _store(locked, {**locked.expectations, key: stamped}, key, actor, because, bulk_id)


@transaction.atomic
def stop_expecting(
    *, domain: Domain, key: str, actor: User, because: str = "", bulk_id: str = "", seen: str = ""
) -> None:
    """Require the standard record again. Raises Refused if there is no exception."""
    require(actor, "domains.expect_record", NO_EXCEPTIONS)
    locked = _locked(domain)
    if key not in locked.expectations:
        raise Refused(f"This record of {domain} has no exception.")
    _refuse_unseen(locked, "expect_no_more", seen)
    left = {other: expectation for other, expectation in locked.expectations.items() if other != key}
    _store(locked, left, key, actor, because.strip(), bulk_id)


def _store(
    locked: Domain, expectations: dict[str, dict[str, str]], key: str, actor: User, because: str, bulk_id: str
) -> None:
    """The record's check used another expected value, so check again."""
    before, after = _expectation_text(locked.expectations, key), _expectation_text(expectations, key)
    locked.expectations, locked.next_check_at = expectations, timezone.now()
    locked.save(update_fields=("expectations", "next_check_at"))
    RecordCheck.objects.filter(domain=locked, key=key).delete()
    _record("domain.expectation", locked, actor, because, bulk_id, before=before, after=after)
    queue_checks()


def _expectation_text(expectations: dict[str, dict[str, str]], key: str) -> dict[str, str]:
    expectation = expectations.get(key)
    words = "as for all domains" if expectation is None else expectation["value"] or "not required"
    return {EXPECTABLE.get(key, key): words}
