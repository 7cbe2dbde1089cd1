"""Reads test messages for their viewer, and the schedule of a domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, QuerySet

from accounts.people.selectors import Viewer, of_own_customers, supports_everyone
from audit.services import Subject
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import holder_of
from domains.receiving.core import DELIVERED, ReceivingState
from receipt_rules.live.selectors import last_read
from receipt_rules.models.addresses import Address, CatchAll, RequestedRecipient
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RecipientOutcome
from receipt_rules.planner.core.rules import AnyRule, covering_entries
from receipt_rules.probes.core import ProbeFacts, ProbeVerdict


def probe_subject(probe: MailProbe) -> Subject:
    """Return the change log subject: the recipient."""
    return Subject("probe", probe.pk, probe.recipient[:254], probe.customer_id)


def probes_for(viewer: Viewer) -> QuerySet[MailProbe]:
    """Return test messages of the viewer's customers; all of them for support staff."""
    rows = MailProbe.objects.select_related("customer", "domain")
    return rows if supports_everyone(viewer) else rows.filter(of_own_customers(viewer))


def facts_of_probe(probe: MailProbe, *, names_rules: bool = False) -> ProbeFacts:
    return facts_of_probes([probe], names_rules=names_rules)[0]


def facts_of_probes(probes: Sequence[MailProbe], *, names_rules: bool = False) -> list[ProbeFacts]:
    """Return the facts. Without a report, they include what the rules as last read do with the message.

    `names_rules`: whether the viewer may see rule names. The rules are read and evaluated once for all messages.
    """
    waiting = [probe.recipient for probe in probes if _is_open(probe)]
    rules = _rules_near(waiting) if waiting else None
    return [_facts_of(probe, rules if _is_open(probe) else None, names_rules=names_rules) for probe in probes]


def _is_open(probe: MailProbe) -> bool:
    return not (probe.handled_at or probe.send_problem)


def _rules_near(recipients: Iterable[str]) -> list[AnyRule] | None:
    """Return the rules that cover any of the recipients, in order: no others affect their mail. None: never read."""
    read = last_read()
    if read is None:
        return None
    names = {name for recipient in recipients for name in covering_entries(recipient.lower())}
    return [rule for rule in read.rule_set.rules if not rule.recipient_set or rule.recipient_set & names]


def _facts_of(probe: MailProbe, rules: Sequence[AnyRule] | None, *, names_rules: bool) -> ProbeFacts:
    known = {field.name: getattr(probe, field.name) for field in fields(ProbeFacts) if hasattr(probe, field.name)}
    stage, why = _predict(rules, probe.recipient, names_rules=names_rules)
    return ProbeFacts(
        **known,
        predicted_problem=why,
        predicted_stage=stage,
        report_timeout=timedelta(minutes=settings.TEST_MESSAGE_MINUTES),
    )


def _predict(rules: Sequence[AnyRule] | None, recipient: str, *, names_rules: bool) -> tuple[str, str]:
    if rules is None:
        return "", ""
    routing = matching.route(rules, [recipient])
    outcome = routing.recipient_outcomes[recipient]
    bouncing = next((each.rule.name for each in routing.fired if each.rule.delivery.bounces), "")
    blamed = {RecipientOutcome.LOST: routing.stopped_by, RecipientOutcome.BOUNCED: bouncing}
    name = blamed.get(outcome, "")
    by = f"rule {name}" if name and names_rules else "another receipt rule"
    if outcome is RecipientOutcome.REJECTED:
        return "Accepted", "rejected by SES, because no receipt rule matches it"
    if outcome is RecipientOutcome.BOUNCED:
        return "Rule", f"bounced by {by}"
    if outcome is RecipientOutcome.LOST:
        return "Rule", f"stopped by {by} before a rule stores it" if name else "accepted by SES, but no rule stores it"
    return "", ""


MOST_CHECKED = 50  # addresses of a domain; one that receives mail is among the first
LOCAL_PART = "test"  # of messages to a catch-all
ARRIVING = (ReceivingState.LIVE, ReceivingState.COPIED)
NO_ADDRESS = "We can't send test messages: {domain} has no address with an active endpoint."
NOT_LIVE = "We can't send test messages yet. {why}"


@dataclass(frozen=True)
class ProbeTarget:
    """Where the message goes, or why there is no target."""

    recipient: str = ""
    why_none: str = ""


def schedule_of(domain: Domain) -> ProbeSchedule | None:
    """Return the schedule; None if it is off. A former holder's schedule is ignored."""
    rows = ProbeSchedule.objects.select_related("last_probe")
    return rows.filter(domain=domain, customer=domain.customer_id).first()


def ended_schedules() -> "QuerySet[ProbeSchedule]":
    """Return schedules of domains that changed hands, are being deleted, or only send."""
    kept = ProbeSchedule.objects.filter(customer=F("domain__customer"), domain__receives=True)
    rows = ProbeSchedule.objects.select_related("domain__customer")
    return rows.exclude(pk__in=kept.exclude(domain__stage=Stage.DELETING).values("pk"))


def active_schedules() -> "QuerySet[ProbeSchedule]":
    """Return schedules whose domain can receive mail: set up, proven, not held."""
    rows = ProbeSchedule.objects.filter(
        customer=F("domain__customer"),
        domain__receives=True,
        domain__stage=Stage.READY,
        domain__proven_at__isnull=False,
        domain__held_at=None,
    )
    return rows.select_related("domain__customer", "last_probe")


def schedules_to_evaluate() -> "QuerySet[ProbeSchedule]":
    """Return schedules whose last message is on its way, or missing but may still arrive; longest waiting first."""
    open_ = active_schedules().filter(
        verdict__in=(ProbeVerdict.WAITING, ProbeVerdict.MISSING), last_probe__isnull=False
    )
    return open_.order_by(F("judged_at").asc(nulls_first=True), "pk")


def due_schedules(now: datetime) -> "QuerySet[ProbeSchedule]":
    """Return schedules that are due, except while the domain's last message is on its way."""
    return active_schedules().filter(next_at__lte=now).exclude(verdict=ProbeVerdict.WAITING).order_by("next_at", "pk")


def target_of(domain: Domain) -> ProbeTarget:
    """Return the first live address with an endpoint; else, under a catch-all, a test address of its own."""
    rows = Address.objects.filter(domain=domain, rules__in=DELIVERED).order_by("address")
    candidates: list[RequestedRecipient] = [
        each for each in rows.select_related("endpoint")[:MOST_CHECKED] if _has_active_endpoint(each, domain)
    ]
    recipients = {id(each): str(each) for each in candidates}
    everything = CatchAll.objects.filter(domain=domain, subdomains=False).select_related("endpoint").first()
    own = f"{LOCAL_PART}@{domain.name}"
    is_free = not Address.objects.filter(address=own, domain__customer=domain.customer_id).exists()
    if everything and _has_active_endpoint(everything, domain) and is_free:
        candidates.append(everything)
        recipients[id(everything)] = own
    for row in candidates:
        if row.receiving.state in ARRIVING and holder_of(row.mail_name) == domain:
            return ProbeTarget(recipients[id(row)])
    if candidates:
        return ProbeTarget(why_none=NOT_LIVE.format(why=candidates[0].receiving.sentence))
    return ProbeTarget(why_none=NO_ADDRESS.format(domain=domain))


def _has_active_endpoint(row: RequestedRecipient, domain: Domain) -> bool:
    """Without an endpoint the mail is only stored, which would prove only part of the path."""
    row.domain = domain
    endpoint = row.own_endpoint
    return row.is_active and not row.refused_because and endpoint is not None and endpoint.is_active
