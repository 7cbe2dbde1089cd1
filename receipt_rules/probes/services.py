"""Sends test messages, also on a schedule, and stores what the function reports of them.

The row is stored before the worker sends the message. If the process dies after sending, the message is sent again;
both carry the same token. While SES doesn't apply our rules, or the domain is held, no scheduled message is sent, and
one on its way proves nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject, domains_for
from domains.models.domains import Domain
from domains.ownership.selectors import holder_of
from domains.receiving.core import MX_POINTS_HERE, MxFact
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.foreign_text import escaped
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from receipt_rules.addresses.core import CatchAllMeant, read_recipient
from receipt_rules.addresses.services import lock_domain
from receipt_rules.jobs import queue_probe
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.planner.core.rules import domain_of
from receipt_rules.probes.core import HEADER, HOUR, OFF, ProbePace, ProbeVerdict, evaluate_probe, next_time
from receipt_rules.probes.selectors import (
    active_schedules,
    due_schedules,
    ended_schedules,
    facts_of_probe,
    probe_subject,
    schedule_of,
    schedules_to_evaluate,
    target_of,
)
from receipt_rules.received_mail.core import Report

EVERY_SECONDS = 30
KEPT = timedelta(days=30)
BODY = "This is a test message from {site}, sent to check whether mail for {recipient} arrives. No reply is needed.\n"
_UNKNOWN = (MxFact.UNKNOWN, MxFact.UNSEEN, MxFact.NOT_CHECKED)


def request_probe(*, recipient: str, actor: User) -> MailProbe:
    """Store a test message. Raises Refused for an address that isn't at the actor's domains.

    Raises RateLimited within seconds of another message to the address.
    """
    address = _address(recipient)
    domain = holder_of(domain_of(address))
    if domain is None or not domains_for(actor).filter(pk=domain.pk).exists():
        raise Refused(f"{address} isn't at one of your domains.", code="ADDRESS_ELSEWHERE")
    because = audit_services.reason_for(actor=actor, customer_id=domain.customer_id)
    if not cache.add(f"probe:{address}", 1, EVERY_SECONDS):
        sentence = f"You can send one test message to an address every {EVERY_SECONDS} seconds."
        raise RateLimited(sentence, retry_after=EVERY_SECONDS)
    with transaction.atomic():
        probe = store_probe(recipient=address, domain=domain, by=actor, now=timezone.now())
        audit_services.record(
            "probe.sent", about=probe_subject(probe), actor=actor, because=because, after={"recipient": address}
        )
    return probe


def store_probe(*, recipient: str, domain: Domain, by: User | None, now: datetime) -> MailProbe:
    """Store the message for the worker. Runs in the caller's transaction. The domain holds the recipient's name."""
    mx = MxFact(domain.mx_facts.get(domain_of(recipient), ""))
    probe = MailProbe.objects.create(
        recipient=recipient,
        customer=domain.customer,
        domain=domain,
        by=by,
        asked_at=now,
        mx_leads_here=None if mx in _UNKNOWN else mx in MX_POINTS_HERE,
        mx_seen_at=domain.last_dns_check,
    )
    queue_probe(probe.pk)
    return probe


def send_probe(*, probe_id: str) -> None:
    """Send it, unless it was sent. A rejection by our mail server is shown on the page and not retried."""
    probe = MailProbe.objects.filter(pk=probe_id, sent_at=None, send_problem="").first()
    if probe is None:
        return
    body = BODY.format(site=settings.SITE_NAME, recipient=probe.recipient)
    message = EmailMessage("Test message", body, None, [probe.recipient], headers={HEADER: probe.token})
    message.connection = get_connection(fail_silently=False, **settings.PROBE_EMAIL)
    problem = ""
    try:
        message.send()
    except (SMTPException, OSError) as error:
        problem = f"The mail server rejected the message: {_error_text(error)}"
    MailProbe.objects.filter(pk=probe.pk).update(sent_at=timezone.now(), send_problem=escaped(problem)[:1000])


def record_reports(reports: Iterable[Report]) -> None:
    """Store reports with a token of ours, for the probe's recipient. An older report changes nothing.

    A report is ignored if the domain has changed hands since: it doesn't concern the former holder.
    """
    for report in sorted((each for each in reports if each.probe), key=lambda each: each.at):
        rows = MailProbe.objects.filter(token=report.probe, domain__customer=F("customer"))
        newer = rows.filter(Q(handled_at=None) | Q(handled_at__lt=report.at))
        newer.filter(recipient__in=[each.lower() for each in report.recipients]).update(
            message_id=report.message_id,
            received_at=report.received_at,
            handled_at=report.at,
            outcome=report.outcome,
            problem=report.problem,
        )


def delete_old_probes(*, now: datetime) -> int:
    return MailProbe.objects.filter(asked_at__lt=now - KEPT).delete()[0]


def _address(text: str) -> str:
    try:
        return read_recipient(text).address
    except CatchAllMeant as meant:
        raise Refused("Enter one address, such as test@example.com.", code="NOT_AN_ADDRESS") from meant


def _error_text(error: Exception) -> str:
    """Return the server's response in an error of smtplib."""
    refused = getattr(error, "recipients", None)
    if isinstance(refused, dict) and refused:
        code, message = next(iter(refused.values()))
        return f"{code} {message.decode('utf-8', 'replace') if isinstance(message, bytes) else message}"
    message = getattr(error, "smtp_error", None)
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message or error)


MOST_AT_ONCE = 50  # of each kind of work, in a minute
DISRUPTED = "We can't tell whether the last test message arrived: receiving was disrupted or the domain was on hold."


def schedule_probes(*, domain: Domain, pace: ProbePace | None, actor: User, seen: str = "") -> None:
    """Store the schedule; None turns it off. Idempotent. `seen`: of the form that shows it.

    Raises ChangedMeanwhile, and Refused if the domain can't receive mail.
    """
    with transaction.atomic():
        locked = lock_domain(domain, to_receive=pace is not None)
        before = schedule_of(locked)
        was, wanted = (before.pace if before else OFF), (pace.value if pace else OFF)
        if was == wanted:
            return
        refuse_if_changed(seen, {"pace": was})
        audit_services.record(
            "probe.scheduled",
            about=domain_subject(locked),
            actor=actor,
            before={"test_messages": was},
            after={"test_messages": wanted},
        )
        if pace is None:
            ProbeSchedule.objects.filter(domain=locked).delete()
            _update_alert(locked, missing=False)
        else:
            _store_schedule(locked, pace, actor)


def _store_schedule(domain: Domain, pace: ProbePace, actor: User) -> None:
    """The first message is sent within the hour, whatever the pace. A former holder's row is replaced completely."""
    now = timezone.now()
    wanted = {"pace": pace.value, "by": actor, "next_at": next_time(domain.pk, HOUR, after=now)}
    if not ProbeSchedule.objects.filter(domain=domain, customer=domain.customer).update(**wanted):
        ProbeSchedule.objects.filter(domain=domain).delete()
        _update_alert(domain, missing=False)
        ProbeSchedule.objects.create(domain=domain, customer=domain.customer, **wanted)


def run_due(*, now: datetime) -> int:
    """Evaluate the last messages, and return how many new ones were queued. Runs every minute."""
    isolation.each_alone("ended probe schedules", ended_schedules()[:MOST_AT_ONCE], _end)
    _mark_disrupted(now)
    if receiving_outage() is not None:
        return 0
    isolation.each_alone("probes", schedules_to_evaluate()[:MOST_AT_ONCE], partial(_evaluate, now=now))
    sent: list[ProbeSchedule] = []
    due, later = due_schedules(now)[:MOST_AT_ONCE], partial(_postpone, now=now)
    isolation.each_alone("due probes", due, partial(_send, now=now, sent=sent), postpone=later)
    return len(sent)


def _postpone(schedule: ProbeSchedule, *, now: datetime) -> None:
    ProbeSchedule.objects.filter(pk=schedule.pk).update(next_at=next_time(schedule.pk, HOUR, after=now))


def _end(schedule: ProbeSchedule) -> None:
    """Delete the schedule and resolve its alert; a former holder isn't notified."""
    with transaction.atomic():
        ProbeSchedule.objects.filter(pk=schedule.pk, customer=schedule.customer_id).delete()
        _update_alert(schedule.domain, missing=False)


def _mark_disrupted(now: datetime) -> None:
    waiting = ProbeSchedule.objects.filter(verdict=ProbeVerdict.WAITING)
    if receiving_outage() is None:
        waiting = waiting.exclude(pk__in=active_schedules().filter(last_probe__isnull=False).values("pk"))
    waiting.update(verdict=ProbeVerdict.COULD_NOT_TELL, sentence=DISRUPTED, judged_at=now)


def _evaluate(schedule: ProbeSchedule, now: datetime) -> None:
    """Update the alert at every check, so that one that was lost with a process is raised or resolved next time.

    The message is read with the schedule locked: no older result replaces a newer one.
    """
    own = ProbeSchedule.objects.filter(pk=schedule.pk, customer=schedule.customer_id, last_probe=schedule.last_probe_id)
    with transaction.atomic():
        probe = locked.last_probe if (locked := own.select_for_update(of=("self",)).first()) else None
        if probe is None:
            return
        found = evaluate_probe(facts_of_probe(probe), probe.recipient, now)
        own.update(verdict=found.verdict, sentence=found.sentence, judged_at=now)
        if found.verdict in (ProbeVerdict.ARRIVED, ProbeVerdict.MISSING):
            _update_alert(schedule.domain, missing=found.verdict is ProbeVerdict.MISSING, why=found.sentence, now=now)


def _send(schedule: ProbeSchedule, *, now: datetime, sent: list[ProbeSchedule]) -> None:
    """Lock the domain, so that it doesn't change hands meanwhile."""
    with transaction.atomic():
        rows = Domain.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=schedule.pk)
        domain = rows.first()
        due = due_schedules(now).select_for_update(of=("self",)).filter(pk=schedule.pk).first()
        if domain is None or due is None:
            return
        target = target_of(domain)
        if not target.recipient:
            due.verdict, due.sentence = ProbeVerdict.COULD_NOT_TELL, target.why_none
            due.next_at = next_time(domain.pk, HOUR, after=now)
        else:
            due.last_probe = store_probe(recipient=target.recipient, domain=domain, by=None, now=now)
            due.verdict, due.sentence = ProbeVerdict.WAITING, ""
            due.next_at = next_time(domain.pk, ProbePace(due.pace).every, after=now)
        due.save(update_fields=("last_probe", "verdict", "sentence", "next_at"))
    if target.recipient:
        sent.append(schedule)


def _update_alert(domain: Domain, *, missing: bool, why: str = "", now: datetime | None = None) -> None:
    alerts_services.observe(
        kind="domain.probe_missing",
        about=domain_subject(domain),
        firing=missing,
        why=why,
        severity="high",
        audience=alerts_core.CustomerPeople(domain.customer_id),
        now=now,
    )
