"""Rolls back to an earlier state of the rules, and holds what came back until an operator releases it.

A rollback restores only recipients whose name is still the same customer's (`Restorable`). What it changed is held: no
plan touches it, whatever the rows want, because the next customer's change would otherwise undo the rollback. A hold
ends for a name that changes hands, is being deleted, or whose customer's receiving is stopped.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.selectors import Holders
from receipt_rules.jobs import work_soon
from receipt_rules.live.selectors import content_of
from receipt_rules.models.runs import PendingChange, RollbackHold, Run, Snapshot
from receipt_rules.planner.core.desired import Desired, as_it_stands
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import RuleDelivery, RuleSet, domain_of
from receipt_rules.runs.selectors import rule_set_subject


class Restorable:
    """Of a snapshot and its content, against who holds each name now."""

    def __init__(self, snapshot: Snapshot, then: RuleSet, now: Holders) -> None:
        self._snapshot = snapshot
        self._named = {domain_of(recipient) for rule in then.rules for recipient in rule.recipient_set}
        self._now = now

    def changed_hands(self, recipient: str) -> bool:
        """Whether rules named its name then, and another customer holds it now."""
        name = domain_of(recipient)
        holder = self._now.customer_of(name)
        return bool(holder) and name in self._named and not self._was(name, holder)

    def may_return(self, recipient: str) -> bool:
        """Whether the customer who holds its name now held it then."""
        return bool(self._now.customer_of(domain_of(recipient))) and not self.changed_hands(recipient)

    def is_nobodys(self, recipient: str) -> bool:
        """Return whether no customer held its domain then or holds it now: an unmanaged rule served it."""
        name = domain_of(recipient)
        return not (self._now.customer_of(name) or (self._snapshot.holders or {}).get(name))

    def _was(self, name: str, holder: str) -> bool:
        """A snapshot from before holders were kept counts for domains that are older than it."""
        if self._snapshot.holders is None:
            return self._now.nearest(name) not in self._younger
        return bool(self._snapshot.holders.get(name) == holder)

    @cached_property
    def _younger(self) -> frozenset[str]:
        return frozenset(Domain.objects.filter(created_at__gt=self._snapshot.at).values_list("name", flat=True))


def as_it_was(snapshot_id: str, live: RuleSet, wanted: Desired, holders: Holders) -> Desired:
    """What our rules did then; and what was a foreign rule's then, which is gone now, becomes ours to serve.

    Names that have changed hands since stay as they are wanted now: nobody gets back what another holds by now.
    """
    snapshot = Snapshot.objects.filter(pk=snapshot_id, region=settings.AWS_REGION).first()
    if snapshot is None:
        raise Refused("That state is no longer kept; only the last ten are.", code="SNAPSHOT_MISSING")
    then = content_of(snapshot)
    names = Restorable(snapshot, then, holders)
    entries = {each: to for each, to in wanted.entries.items() if names.changed_hands(each)}
    entries |= {each: to for each, to in as_it_stands(then).entries.items() if names.may_return(each)}
    for rule in then.foreign:
        if rule.enabled and rule.may_be_taken_over and rule.name not in live.by_name:
            back = (each for each in rule.recipient_set if names.may_return(each) or names.is_nobodys(each))
            entries |= {each: rule.delivery for each in back if each not in entries}
    return Desired(entries, refused=wanted.refused)


def holds() -> QuerySet[RollbackHold]:
    """Return the holds in force: their run has started, and no operator has released them."""
    rows = RollbackHold.objects.filter(region=settings.AWS_REGION, released_at=None, run__started_at__isnull=False)
    return rows.select_related("run__approved_by")


def held_recipients(holders: Holders, *, stopped: frozenset[str]) -> frozenset[str]:
    """`holders` are those whose domains stay. None of a customer whose receiving is stopped.

    Nor what is for every name below a domain, once another customer holds one of them.
    """
    everybody = Holders.read()
    found = ((recipient, customer) for hold in holds() for recipient, customer in hold.recipients.items())
    return frozenset(
        recipient
        for recipient, customer in found
        if holders.customer_of(domain_of(recipient)) == customer
        and customer not in stopped
        and not (recipient.startswith(".") and everybody.shares_below(domain_of(recipient)))
    )


def with_held(wanted: Desired, held: frozenset[str], live: RuleSet) -> Desired:
    """Return the desired state, with held recipients as in the live rules."""
    if not held:
        return wanted
    stands = as_it_stands(live).entries
    entries = {each: to for each, to in wanted.entries.items() if each not in held}
    entries |= {each: stands[each] for each in held if each in stands}
    return replace(wanted, entries=MappingProxyType(entries))


def hold_back(made: Plan, run: Run) -> None:
    """Inside the transaction of the approval: what the rollback changes is held as soon as it begins."""
    changed = changed_recipients(as_it_stands(made.before), as_it_stands(made.after))
    holders = Holders.read()
    RollbackHold.objects.create(
        region=settings.AWS_REGION,
        run=run,
        recipients={each: holders.customer_of(domain_of(each)) for each in sorted(changed)},
    )


def changed_recipients(before: Desired, after: Desired) -> frozenset[str]:
    """Whose delivery differs, or which only one of the two names."""

    def at(state: Desired, recipient: str) -> RuleDelivery | None:
        return state.entries.get(recipient)

    both: Iterable[str] = {*before.entries, *after.entries}
    return frozenset(each for each in both if at(before, each) != at(after, each))


def release(*, hold: RollbackHold, because: str, actor: User) -> None:
    """From now on plans bring it to what is wanted again. Raises Refused."""
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
        PendingChange.objects.update(waits_because="")
        work_soon()
