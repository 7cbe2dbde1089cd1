"""Rolls back to an earlier state of the rules, and holds the restored recipients until an operator releases them.

A rollback restores only recipients whose name still belongs to the same customer (`Restorable`). The recipients that it
changed are on hold: no plan changes them, because the next customer's change would otherwise undo the rollback. A hold
(of a rollback) has nothing to do with the holder of a name (`domains.ownership`), except that it ends for a name that
changes hands, is being deleted, or whose customer's receiving is stopped.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import Holders
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.jobs import queue_work, record_wait
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live.selectors import content_of
from receipt_rules.live.services import is_own, read_inactive_sets, read_live, receives_here
from receipt_rules.models.runs import OwnRuleSet, ReceivingStop, RollbackHold, Run, Snapshot
from receipt_rules.planner.core.desired import DesiredEntries, live_state
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import Rule, RuleDelivery, RuleSet, domain_of
from receipt_rules.planner.core.steps import Delete, Update
from receipt_rules.planner.selectors import recipients_of, stopped_customers
from receipt_rules.run_executor.services import apply_step, is_transient
from receipt_rules.runs.selectors import is_left_over, rule_set_subject


class Restorable:
    """Compares the holders at the time of a snapshot with the current ones."""

    def __init__(self, snapshot: Snapshot, then: RuleSet, now: Holders) -> None:
        self._snapshot = snapshot
        self._named = {domain_of(recipient) for rule in then.rules for recipient in rule.recipient_set}
        self._now = now

    def changed_hands(self, recipient: str) -> bool:
        """Return whether the snapshot's rules have its name, and another customer holds it now."""
        name = domain_of(recipient)
        holder = self._now.customer_of(name)
        return bool(holder) and name in self._named and not self._was_held_by(name, holder)

    def may_return(self, recipient: str) -> bool:
        """Return whether the customer who holds its name now held it at the time of the snapshot."""
        return bool(self._now.customer_of(domain_of(recipient))) and not self.changed_hands(recipient)

    def is_unowned(self, recipient: str) -> bool:
        """Return whether no customer held its domain then or holds it now: an unmanaged rule served it."""
        name = domain_of(recipient)
        return not (self._now.customer_of(name) or (self._snapshot.holders or {}).get(name))

    def _was_held_by(self, name: str, holder: str) -> bool:
        """For a snapshot without stored holders, a domain that is older than it counts as unchanged."""
        if self._snapshot.holders is None:
            return self._now.nearest(name) not in self._younger
        return bool(self._snapshot.holders.get(name) == holder)

    @cached_property
    def _younger(self) -> frozenset[str]:
        return frozenset(Domain.objects.filter(created_at__gt=self._snapshot.at).values_list("name", flat=True))


def _snapshot(snapshot_id: str) -> Snapshot:
    snapshot = Snapshot.objects.filter(pk=snapshot_id, region=settings.AWS_REGION).first()
    if snapshot is None:
        raise Refused("That state is no longer kept. The Rollback page lists those that are.", code="SNAPSHOT_MISSING")
    return snapshot


def recipients_of_snapshot(snapshot_id: str) -> frozenset[str]:
    """Return the recipients of all enabled rules of a stored state. Raises Refused."""
    rules = (rule for rule in content_of(_snapshot(snapshot_id)).rules if rule.enabled)
    return frozenset(each for rule in rules for each in rule.recipient_set)


def restored_state(
    snapshot_id: str, live: RuleSet, wanted: DesiredEntries, holders: Holders, *, stopped: frozenset[str]
) -> DesiredEntries:
    """Return what the managed rules did then, and serve recipients of unmanaged rules that have been deleted since.

    Names that have changed hands since keep the current desired state: no former holder gets mail back. A stop by
    Trust & Safety stays: nothing comes back for customers (IDs) in `stopped`. A subdomain catch-all over a name that
    another customer holds by now keeps the current desired state, too.
    """
    snapshot = _snapshot(snapshot_id)
    then = content_of(snapshot)
    names = Restorable(snapshot, then, holders)
    entries = {each: to for each, to in live_state(then).entries.items() if names.may_return(each)}
    for rule in then.foreign:
        if rule.enabled and rule.may_be_taken_over and rule.name not in live.by_name:
            back = (each for each in rule.recipient_set if names.may_return(each) or names.is_unowned(each))
            entries |= {each: rule.delivery for each in back if each not in entries}
    current = {each: to for each, to in wanted.entries.items() if names.changed_hands(each) or each in holders.shared}
    entries = {each: to for each, to in entries.items() if each not in holders.shared} | current
    return DesiredEntries(
        {each: to for each, to in entries.items() if holders.customer_of(domain_of(each)) not in stopped},
        refused=wanted.refused,
    )


def holds() -> QuerySet[RollbackHold]:
    """Return the holds in force: their run has started, and no operator has released them."""
    rows = RollbackHold.objects.filter(region=settings.AWS_REGION, released_at=None, run__started_at__isnull=False)
    return rows.select_related("run__approved_by")


@dataclass(frozen=True)
class HoldInForce:
    """A hold, with its recipients that are still on hold."""

    pk: int
    run: Run
    recipients: frozenset[str]


def holds_in_force(*, stopped: frozenset[str]) -> list[HoldInForce]:
    """Return the holds with the recipients whose customer still holds their name. `stopped`: customers (IDs).

    A stop of a customer's receiving ends the hold of their recipients for good: what comes back when it is resumed is
    what they want then. A subdomain entry is released once another customer holds one of the subdomains.
    """
    rows = list(holds())
    if not rows:
        return []
    staying, everybody = Holders.read_staying(), Holders.read()
    asked = dict(ReceivingStop.objects.values_list("customer_id", "asked_at"))

    def is_held(recipient: str, customer: str, since: datetime | None) -> bool:
        name = domain_of(recipient)
        ended = customer in stopped or (customer in asked and since is not None and asked[customer] > since)
        shared = recipient.startswith(".") and everybody.shares_below(name)
        return staying.customer_of(name) == customer and not ended and not shared

    found = [
        HoldInForce(
            hold.pk, hold.run, frozenset(each for each, to in hold.recipients.items() if is_held(each, to, begun))
        )
        for hold in rows
        for begun in (hold.run.started_at,)
    ]
    return [each for each in found if each.recipients]


def recipients_on_hold(*, stopped: frozenset[str]) -> frozenset[str]:
    """Return the recipients on hold, as `holds_in_force`."""
    return frozenset(each for hold in holds_in_force(stopped=stopped) for each in hold.recipients)


def with_live_deliveries(wanted: DesiredEntries, on_hold: frozenset[str], live: RuleSet) -> DesiredEntries:
    """Return the desired state, with the recipients on hold as in the live rules."""
    if not on_hold:
        return wanted
    stands = live_state(live).entries
    entries = {each: to for each, to in wanted.entries.items() if each not in on_hold}
    entries |= {each: stands[each] for each in on_hold if each in stands}
    return replace(wanted, entries=MappingProxyType(entries))


def store_hold(made: Plan, run: Run) -> None:
    """Store what the rollback changes; the hold begins with the run. Runs in the transaction of the approval."""
    changed = changed_recipients(live_state(made.before), live_state(made.after))
    changed -= recipients_of(stopped_customers(), changed).keys()
    holders = Holders.read()
    RollbackHold.objects.create(
        region=settings.AWS_REGION,
        run=run,
        recipients={each: holders.customer_of(domain_of(each)) for each in sorted(changed)},
    )


def changed_recipients(before: DesiredEntries, after: DesiredEntries) -> frozenset[str]:
    """Return recipients whose delivery differs, or that only one of the two states has."""

    def at(state: DesiredEntries, recipient: str) -> RuleDelivery | None:
        return state.entries.get(recipient)

    both: Iterable[str] = {*before.entries, *after.entries}
    return frozenset(each for each in both if at(before, each) != at(after, each))


def release(*, hold: RollbackHold, because: str, actor: User) -> None:
    """Release the hold: plans then restore the desired state. Raises Refused."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can release rollbacks.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    with transaction.atomic():
        free = RollbackHold.objects.filter(pk=hold.pk, released_at=None)
        if not free.update(released_at=timezone.now(), released_by=actor):
            raise Refused("The rollback has already been released.", code="HOLD_OVER")
        audit_services.record(
            "rules.hold_released",
            about=rule_set_subject(settings.AWS_REGION),
            actor=actor,
            because=because.strip(),
            before={"held": len(hold.recipients)},
            after={"held": 0},
            for_staff=True,
        )
        record_wait("")
        queue_work()


# Removes a deleted or transferred domain from inactive managed rule sets, and deletes old rule sets. A person can
# activate an inactive set, so such a domain must be removed from it too. The old set is kept when a blue/green run
# replaces it; an account can have 40.


log = structlog.get_logger(__name__)


def clear_deleting_domains() -> None:
    """Remove domains that are being deleted. Holds the rules' lock. Raises AwsProblem to wait and retry.

    If SES refuses a change, the recipient stays, and the deletion of the domain waits.
    """
    going = Domain.objects.filter(region=settings.AWS_REGION, stage=Stage.DELETING, routes_removed_at=None)
    if receives_here():
        remove_from_inactive_sets(tuple(going.values_list("name", flat=True)))


def remove_from_inactive_sets(names: tuple[str, ...]) -> None:
    """Remove these domains from inactive managed rule sets. See `clear_deleting_domains`."""
    if not names:
        return
    holders = Holders.read()
    for kept in read_inactive_sets(read_live(all_sets=True)):
        for rule in kept.ours:
            _clear(kept, rule, names, holders)


def _clear(kept: RuleSet, rule: Rule, names: tuple[str, ...], holders: Holders) -> None:
    left = tuple(each for each in rule.recipients if not any(holders.belongs(domain_of(each), name) for name in names))
    if len(left) == len(rule.recipients):
        return
    changed = Rule(rule.name, rule.delivery, left, enabled=rule.enabled) if left else None
    step = Update(kept.name, rule, changed) if changed else Delete(kept.name, rule)
    try:
        with aws.recording() as request_ids:
            apply_step(step)
    except AwsProblem as problem:
        if is_transient(problem):
            raise
        log.warning("a rule set that is not active could not be changed", rule_set=kept.name, problem=str(problem))
        return
    audit_services.record(
        "rules.kept_changed",
        about=rule_set_subject(kept.name),
        actor=None,
        before={"recipients": len(rule.recipients)},
        after={"recipients": len(left)},
        aws_request_ids=request_ids,
        for_staff=True,
    )


def old_rule_sets() -> tuple[str, ...]:
    """Return names of inactive managed rule sets that weren't adopted, and what failed runs left. Raises AwsProblem."""
    live = read_live(all_sets=True)
    return tuple(sorted(name for name in live.sets.names if _is_old(name, live.sets.active)))


def delete_rule_set(*, name: str, actor: User) -> None:
    """Delete a set with its rules, unless it is active, adopted or unmanaged. Raises Refused and AwsProblem."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can delete rule sets.", code="NOT_ALLOWED")
    if not _is_old(name, read_live().sets.active):
        raise Refused(f"{name} is active or unmanaged, so it can't be deleted.", code="RULE_SET_STAYS")
    with aws.recording() as request_ids:
        live_gateway.delete_rule_set(name)
    with transaction.atomic():
        OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name).delete()
        audit_services.record(
            "rules.set_deleted",
            about=rule_set_subject(name),
            actor=actor,
            before={"rule_set": name},
            aws_request_ids=request_ids,
            for_staff=True,
        )


def _is_old(name: str, active: str) -> bool:
    adopted = OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name, adopted=True)
    return name != active and (is_own(name) or is_left_over(name)) and not adopted.exists()
