"""Reads and stores the live rules."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from domains.ownership.selectors import Holders
from domains.records.core import can_receive
from inbound_admin.lib.errors import AwsProblem
from inbound_admin.lib.freshness import not_newer
from receipt_rules.live import gateway
from receipt_rules.live.core import IpFilter
from receipt_rules.live.selectors import LastRead, ReceivingOutage, content_of, last_known, receiving_outage
from receipt_rules.models.runs import ActiveRuleSet, OwnRuleSet, RulesAsRead, Run, RunKind, Snapshot
from receipt_rules.planner.core.plans import RuleSetNames, digest, dump
from receipt_rules.planner.core.rules import RuleSet, domain_of, is_ours

KEPT_SNAPSHOTS = 10  # of each kind
BY_PERSONS = (RunKind.APPROVED, RunKind.ROLLBACK)


@dataclass(frozen=True)
class Live:
    """`rule_set` is the managed set, which may not exist yet. `unmanaged_set` is the active set if it isn't managed.

    `sets` has the names of all sets only if `has_all_names`: that needs another call, and few plans need it.
    """

    rule_set: RuleSet
    sets: RuleSetNames
    has_all_names: bool
    unmanaged_set: RuleSet | None = None
    read_at: datetime = field(default_factory=timezone.now, compare=False)  # when SES was asked

    @classmethod
    def of_active(cls, rule_set: RuleSet) -> "Live":
        """Return what is known if this managed set is active."""
        return cls(rule_set, RuleSetNames(frozenset([rule_set.name]), rule_set.name), has_all_names=False)

    @property
    def is_active(self) -> bool:
        return self.sets.active == self.rule_set.name

    @property
    def active(self) -> RuleSet:
        """Return the active set; an empty set if none is active, when SES rejects all mail."""
        return self.rule_set if self.is_active else self.unmanaged_set or RuleSet("")


def receives_here() -> bool:
    """Return whether SES receives mail in this deployment's region."""
    return can_receive(settings.AWS_REGION)


def read_live(*, all_sets: bool = False) -> Live:
    """Read the live rules: one call if a managed set is active, else two or three. Raises AwsProblem."""
    asked_at, active = timezone.now(), read_active()
    if active is not None and is_own(active.name):
        names = _all_names() if all_sets else frozenset([active.name])
        sets = RuleSetNames(names | {active.name}, active.name)
        return Live(active, sets, has_all_names=all_sets, read_at=asked_at)
    names = _all_names()
    name = _own_among(names)
    rule_set = gateway.describe_rule_set(name) if name in names else RuleSet(name)
    sets = RuleSetNames(names, active.name if active else "")
    return Live(rule_set, sets, has_all_names=True, unmanaged_set=active, read_at=asked_at)


def read_active() -> RuleSet | None:
    """Return the active set, or None. It is stored for when SES doesn't answer. One call. Raises AwsProblem."""
    asked_at = timezone.now()
    try:
        active = gateway.describe_active_rule_set()
    except AwsProblem as problem:
        failed = {"failed_at": asked_at, "problem": str(problem)}
        RulesAsRead.objects.filter(region=settings.AWS_REGION, read_at__lt=asked_at).update(**failed)
        raise
    _store_read(active or RuleSet(""), asked_at)
    return active


def live_from_last_read(read: LastRead) -> Live:
    """Return what `read_live` would have returned for these rules, without the inactive sets."""
    active = read.rule_set
    if is_own(active.name):
        return Live.of_active(active)
    kept = last_known()
    own = content_of(kept) if kept else RuleSet(str(settings.RULE_SET))
    names = frozenset([active.name]) if active.name else frozenset()
    return Live(
        own, RuleSetNames(names, active.name), has_all_names=False, unmanaged_set=active if active.name else None
    )


_kept: dict[str, tuple[RuleSet, str]] = {}  # by region, the rules last stored by this process, and their digest


def _store_read(active: RuleSet, asked_at: datetime) -> None:
    """Store the content only if it differs: it may be megabytes. An older read never replaces a newer one."""
    region, mark = settings.AWS_REGION, _digest_of(active)
    _kept[region] = (active, mark)
    older = RulesAsRead.objects.filter(region=region, read_at__lte=asked_at)
    if older.filter(digest=mark).update(read_at=asked_at, failed_at=None, problem=""):
        return
    fields = {
        "name": active.name,
        "read_at": asked_at,
        "content": dump(replace(active, created=None)),
        "digest": mark,
        "rules": len(active.rules),
        "own_rules": len(active.ours),
        "own_recipients": sum(len(rule.recipients) for rule in active.ours),
        "failed_at": None,
        "problem": "",
    }
    if older.update(**fields) or RulesAsRead.objects.filter(region=region).exists():
        return
    try:
        with transaction.atomic():
            RulesAsRead.objects.create(region=region, **fields)
    except IntegrityError:  # another process kept the first read at the same moment
        older.update(**fields)


def _digest_of(rule_set: RuleSet) -> str:
    """Of the set that was read last it is known: of 100,000 recipients it takes long to make."""
    known = _kept.get(settings.AWS_REGION)
    if known is not None and known[0].name == rule_set.name and known[0].rules == rule_set.rules:
        return known[1]
    return digest([rule_set.name, *rule_set.rules])


def read_inactive_sets(live: Live) -> tuple[RuleSet, ...]:
    """Return the inactive managed sets, which could be activated by hand. Raises AwsProblem."""
    names = live.sets.names if live.has_all_names else _all_names()
    return tuple(gateway.describe_rule_set(name) for name in sorted(names - {live.sets.active}) if is_own(name))


def check_active_set(*, now: datetime) -> ReceivingOutage | None:
    """Read and store which set SES applies: one call. Raises AwsProblem, and the stored set stays."""
    return record_active_set(read_active(), now=now)


def read_filters() -> tuple[IpFilter, ...]:
    """Return the IP filters, which SES evaluates before our rules: one call. Raises AwsProblem."""
    return gateway.list_receipt_filters()


def record_active_set(active: RuleSet | None, *, now: datetime) -> ReceivingOutage | None:
    """Store the active set as read at `now`, unless a newer read is stored. Return the outage, if any."""
    name = active.name if active else ""
    fields = {"name": name, "is_ours": bool(name) and is_own(name), "read_at": now}
    row, is_new = ActiveRuleSet.objects.get_or_create(
        region=settings.AWS_REGION, defaults={**fields, "changed_at": now}
    )
    if not is_new:
        moved = {} if row.name == name else {"changed_at": now}
        ActiveRuleSet.objects.filter(not_newer("read_at", now), pk=row.pk).update(**fields, **moved)
    return receiving_outage()


def is_own(name: str) -> bool:
    """Return whether we may change this set: we created it, a person adopted it, or it is in the settings."""
    own = OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name)
    return bool(name == settings.RULE_SET) or own.exists()


def _own_among(names: frozenset[str]) -> str:
    """Return the newest managed set that exists; else the name from the settings."""
    own = OwnRuleSet.objects.filter(region=settings.AWS_REGION, name__in=names).values_list("name", flat=True)
    return next(iter(own), None) or str(settings.RULE_SET)


def _all_names() -> frozenset[str]:
    found, token = gateway.list_rule_sets()
    names = {each.name for each in found}
    while token:
        found, token = gateway.list_rule_sets(token)
        names.update(each.name for each in found)
    return frozenset(names)


def store_snapshot(rule_set: RuleSet, run: Run | None = None, *, known: RuleSet | None = None) -> Snapshot:
    """Store the latest state.

    `known` is the part that is accepted; None: everything, so nothing is drift.
    """
    mark = _digest_of(rule_set)
    knows = None if known is None or known.rules == rule_set.rules else dump(replace(known, created=None))
    latest = last_known()
    if latest is not None and latest.digest == mark:
        Snapshot.objects.filter(pk=latest.pk).update(known=knows)
        return latest
    made = Snapshot.objects.create(
        region=settings.AWS_REGION,
        name=rule_set.name,
        content=dump(replace(rule_set, created=None)),
        known=knows,
        holders=_holders(rule_set),
        digest=mark,
        recipients=sum(len(rule.recipient_set) for rule in rule_set.rules),
        rules=len(rule_set.rules),
        own_rules=len(rule_set.ours),
        own_recipients=sum(len(rule.recipients) for rule in rule_set.ours),
        disabled=[rule.name for rule in rule_set.rules if is_ours(rule.name) and not rule.enabled],
        run=run,
    )
    _delete_old_states()
    return made


def _delete_old_states() -> None:
    """Keep the last ten after plans that a person approved, the states before those plans, and the last ten others.

    So customers' changes, which the worker applies, never remove what a person may want to roll back to.
    """
    rows = Snapshot.objects.filter(region=settings.AWS_REGION)
    plans = Run.objects.filter(region=settings.AWS_REGION, kind__in=BY_PERSONS, started_from__isnull=False)
    by_persons = rows.filter(run__kind__in=BY_PERSONS)
    kept = set(plans.values_list("started_from", flat=True)[:KEPT_SNAPSHOTS])
    kept |= set(by_persons.values_list("pk", flat=True)[:KEPT_SNAPSHOTS])
    kept |= set(rows.exclude(run__kind__in=BY_PERSONS).values_list("pk", flat=True)[:KEPT_SNAPSHOTS])
    rows.exclude(pk__in=kept).delete()


def _holders(rule_set: RuleSet) -> dict[str, str]:
    """Return the customer ID of the current holder of each name in the rules."""
    names = {domain_of(recipient) for rule in rule_set.rules for recipient in rule.recipient_set}
    holders = Holders.at(names)
    return {name: customer for name in sorted(names) if (customer := holders.customer_of(name))}
