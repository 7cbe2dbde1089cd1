"""Sends test messages of a domain by the clock, and alerts its owners when one does not arrive.

`run_due` is called once a minute. What was not sent proves nothing: no alert begins or ends by it. While SES does not
apply our rules, or the domain is held, nothing is sent, and a message on its way proves nothing either.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from receipt_rules.addresses.services import lock_domain
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.models.probes import ProbeSchedule
from receipt_rules.probe_schedules.core import HOUR, OFF, ProbePace, ProbeVerdict, judge_probe, next_time
from receipt_rules.probe_schedules.selectors import (
    schedule_of,
    schedules_due,
    schedules_kept,
    schedules_over,
    schedules_to_judge,
    target_of,
)
from receipt_rules.probes.selectors import facts_of_probe
from receipt_rules.probes.services import store_probe

MOST_AT_ONCE = 50  # of each kind of work, in a minute
DISTURBED = "We can't tell whether the last test message arrived: receiving was disrupted or the domain was on hold."


def schedule_probes(*, domain: Domain, pace: ProbePace | None, actor: User) -> None:
    """None is off. Choosing twice is choosing once. Raises Refused where nothing may be received at the domain."""
    with transaction.atomic():
        locked = lock_domain(domain, to_receive=pace is not None)
        before = schedule_of(locked)
        was, wanted = (before.pace if before else OFF), (pace.value if pace else OFF)
        if was == wanted:
            return
        audit_services.record(
            "probe.scheduled",
            about=domain_subject(locked),
            actor=actor,
            before={"test_messages": was},
            after={"test_messages": wanted},
        )
        if pace is None:
            ProbeSchedule.objects.filter(domain=locked).delete()
            _tell(locked, missing=False)
        else:
            _keep(locked, pace, actor)


def _keep(domain: Domain, pace: ProbePace, actor: User) -> None:
    """The first goes out within the hour, whatever the pace. A former holder's row is replaced whole."""
    now = timezone.now()
    wanted = {"pace": pace.value, "by": actor, "next_at": next_time(domain.pk, HOUR, after=now)}
    if not ProbeSchedule.objects.filter(domain=domain, customer=domain.customer).update(**wanted):
        ProbeSchedule.objects.filter(domain=domain).delete()
        _tell(domain, missing=False)
        ProbeSchedule.objects.create(domain=domain, customer=domain.customer, **wanted)


def run_due(*, now: datetime) -> int:
    """How many messages were queued."""
    for schedule in schedules_over()[:MOST_AT_ONCE]:
        _end(schedule)
    _give_up_disturbed(now)
    if receiving_outage() is not None:
        return 0
    for schedule in schedules_to_judge()[:MOST_AT_ONCE]:
        _judge(schedule, now)
    return sum(_send(schedule, now) for schedule in schedules_due(now)[:MOST_AT_ONCE])


def _end(schedule: ProbeSchedule) -> None:
    """The alert of a former holder is over without a word to them; one of the holder is over as any other."""
    with transaction.atomic():
        ProbeSchedule.objects.filter(pk=schedule.pk, customer=schedule.customer_id).delete()
        _tell(schedule.domain, missing=False)


def _give_up_disturbed(now: datetime) -> None:
    waiting = ProbeSchedule.objects.filter(verdict=ProbeVerdict.WAITING)
    if receiving_outage() is None:
        waiting = waiting.exclude(pk__in=schedules_kept().filter(last_probe__isnull=False).values("pk"))
    waiting.update(verdict=ProbeVerdict.COULD_NOT_TELL, sentence=DISTURBED, judged_at=now)


def _judge(schedule: ProbeSchedule, now: datetime) -> None:
    """At each look, so that an alert that was lost with a process begins or ends at the next."""
    probe = schedule.last_probe
    if probe is None:
        return
    found = judge_probe(facts_of_probe(probe), probe.recipient, now)
    with transaction.atomic():
        rows = ProbeSchedule.objects.filter(pk=schedule.pk, customer=schedule.customer_id, last_probe=probe)
        if not rows.update(verdict=found.verdict, sentence=found.sentence, judged_at=now):
            return
        if found.verdict in (ProbeVerdict.ARRIVED, ProbeVerdict.MISSING):
            _tell(schedule.domain, missing=found.verdict is ProbeVerdict.MISSING, why=found.sentence, now=now)


def _send(schedule: ProbeSchedule, now: datetime) -> bool:
    """The domain is locked, so that it does not change hands meanwhile."""
    with transaction.atomic():
        domain = Domain.objects.select_for_update(of=("self",)).select_related("customer").get(pk=schedule.pk)
        due = schedules_due(now).select_for_update(of=("self",)).filter(pk=schedule.pk).first()
        if due is None:
            return False
        target = target_of(domain)
        if not target.recipient:
            due.verdict, due.sentence = ProbeVerdict.COULD_NOT_TELL, target.why_none
            due.next_at = next_time(domain.pk, HOUR, after=now)
        else:
            due.last_probe = store_probe(recipient=target.recipient, domain=domain, by=None, now=now)
            due.verdict, due.sentence = ProbeVerdict.WAITING, ""
            due.next_at = next_time(domain.pk, ProbePace(due.pace).every, after=now)
        due.save(update_fields=("last_probe", "verdict", "sentence", "next_at"))
    return bool(target.recipient)


def _tell(domain: Domain, *, missing: bool, why: str = "", now: datetime | None = None) -> None:
    alerts_services.observe(
        kind="domain.probe_missing",
        about=domain_subject(domain),
        firing=missing,
        why=why,
        severity="high",
        audience=alerts_core.CustomerPeople(domain.customer_id),
        now=now,
    )
