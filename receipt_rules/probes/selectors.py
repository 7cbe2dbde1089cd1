"""Test messages as a viewer may see them, and the schedule of a domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, QuerySet

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit.services import Subject
from domains.models.domains import Domain, Stage
from domains.receiving.core import DELIVERED, ReceivingState
from receipt_rules.addresses.selectors import holder_of
from receipt_rules.live.selectors import last_read
from receipt_rules.models.addresses import Address, CatchAll, Wish
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RecipientFate
from receipt_rules.planner.core.rules import AnyRule, covering
from receipt_rules.probes.core import ProbeFacts, ProbeVerdict


def probe_subject(probe: MailProbe) -> Subject:
    """What the change log calls it: by its recipient."""
    return Subject("probe", probe.pk, probe.recipient[:254], probe.customer_id)


def probes_for(viewer: Viewer) -> QuerySet[MailProbe]:
    """Of the viewer's customers, or of all for staff who support them."""
    rows = MailProbe.objects.select_related("customer", "domain")
    return rows if supports_everyone(viewer) else rows.filter(customer__in=customers_for(viewer))


def facts_of_probe(probe: MailProbe, *, names_rules: bool = False) -> ProbeFacts:
    return facts_of_probes([probe], names_rules=names_rules)[0]


def facts_of_probes(probes: Sequence[MailProbe], *, names_rules: bool = False) -> list[ProbeFacts]:
    """Of those that weren't reported yet, with what the rules as last read do with them. Customers see no rule's name.

    The rules are read, and walked, once for all of them.
    """
    waiting = [probe.recipient for probe in probes if _is_open(probe)]
    rules = _rules_near(waiting) if waiting else None
    return [_facts_of(probe, rules if _is_open(probe) else None, names_rules=names_rules) for probe in probes]


def _is_open(probe: MailProbe) -> bool:
    return not (probe.handled_at or probe.send_problem)


def _rules_near(recipients: Iterable[str]) -> list[AnyRule] | None:
    """Those that cover any of them, in order: no other rule does anything with their mail. None: never read."""
    read = last_read()
    if read is None:
        return None
    names = {name for recipient in recipients for name in covering(recipient.lower())}
    return [rule for rule in read.rule_set.rules if not rule.recipient_set or rule.recipient_set & names]


def _facts_of(probe: MailProbe, rules: Sequence[AnyRule] | None, *, names_rules: bool) -> ProbeFacts:
    known = {field.name: getattr(probe, field.name) for field in fields(ProbeFacts) if hasattr(probe, field.name)}
    stage, why = _foreseen(rules, probe.recipient, names_rules=names_rules)
    return ProbeFacts(**known, foreseen=why, foreseen_at=stage, bound=timedelta(minutes=settings.TEST_MESSAGE_MINUTES))


def _foreseen(rules: Sequence[AnyRule] | None, recipient: str, *, names_rules: bool) -> tuple[str, str]:
    if rules is None:
        return "", ""
    routing = matching.route(rules, [recipient])
    fate = routing.fates[recipient]
    bouncing = next((each.rule.name for each in routing.fired if each.rule.delivery.bounces), "")
    blamed = {RecipientFate.LOST: routing.stopped_by, RecipientFate.BOUNCED: bouncing}
    name = blamed.get(fate, "")
    by = f"rule {name}" if name and names_rules else "another receipt rule"
    if fate is RecipientFate.REJECTED:
        return "Accepted", "rejected by SES, because no receipt rule matches it"
    if fate is RecipientFate.BOUNCED:
        return "Rule", f"bounced by {by}"
    if fate is RecipientFate.LOST:
        return "Rule", f"stopped by {by} before a rule stores it" if name else "accepted by SES, but no rule stores it"
    return "", ""


MOST_LOOKED_AT = 50  # addresses of a domain; one that takes mail is among the first
LOCAL_PART = "test"  # of what is sent to a catch-all
ARRIVING = (ReceivingState.LIVE, ReceivingState.COPIED)
NO_ADDRESS = "We can't send test messages: {domain} has no address with an active endpoint."
NOT_LIVE = "We can't send test messages yet. {why}"


@dataclass(frozen=True)
class ProbeTarget:
    """Where the message goes, or why it can go nowhere."""

    recipient: str = ""
    why_none: str = ""


def schedule_of(domain: Domain) -> ProbeSchedule | None:
    """None is off. What a former holder wished counts for nothing."""
    rows = ProbeSchedule.objects.select_related("last_probe")
    return rows.filter(domain=domain, customer=domain.customer_id).first()


def schedules_over() -> "QuerySet[ProbeSchedule]":
    """Of domains that changed hands, are being deleted, or are set to send only."""
    kept = ProbeSchedule.objects.filter(customer=F("domain__customer"), domain__receives=True)
    rows = ProbeSchedule.objects.select_related("domain__customer")
    return rows.exclude(pk__in=kept.exclude(domain__stage=Stage.DELETING).values("pk"))


def schedules_kept() -> "QuerySet[ProbeSchedule]":
    """Those whose domain takes mail as far as we are concerned: set up, proven, not held."""
    rows = ProbeSchedule.objects.filter(
        customer=F("domain__customer"),
        domain__receives=True,
        domain__stage=Stage.READY,
        domain__proven_at__isnull=False,
        domain__held_at=None,
    )
    return rows.select_related("domain__customer", "last_probe")


def schedules_to_judge() -> "QuerySet[ProbeSchedule]":
    """Their last message is on its way, or is missing and may still come; those first that waited longest."""
    open_ = schedules_kept().filter(verdict__in=(ProbeVerdict.WAITING, ProbeVerdict.MISSING), last_probe__isnull=False)
    return open_.order_by(F("judged_at").asc(nulls_first=True), "pk")


def schedules_due(now: datetime) -> "QuerySet[ProbeSchedule]":
    """None while the domain's last message is on its way."""
    return schedules_kept().filter(next_at__lte=now).exclude(verdict=ProbeVerdict.WAITING).order_by("next_at", "pk")


def target_of(domain: Domain) -> ProbeTarget:
    """The first address of the domain that is live and has an endpoint; else, under a catch-all, one of its own."""
    rows = Address.objects.filter(domain=domain, rules__in=DELIVERED).order_by("address")
    wishes: list[Wish] = [each for each in rows.select_related("endpoint")[:MOST_LOOKED_AT] if _has_place(each, domain)]
    recipients = {id(each): str(each) for each in wishes}
    everything = CatchAll.objects.filter(domain=domain, subdomains=False).select_related("endpoint").first()
    own = f"{LOCAL_PART}@{domain.name}"
    if everything and _has_place(everything, domain) and not Address.objects.filter(address=own).exists():
        wishes.append(everything)
        recipients[id(everything)] = own
    for wish in wishes:
        if wish.receiving.state in ARRIVING and holder_of(wish.mail_name) == domain:
            return ProbeTarget(recipients[id(wish)])
    if wishes:
        return ProbeTarget(why_none=NOT_LIVE.format(why=wishes[0].receiving.sentence))
    return ProbeTarget(why_none=NO_ADDRESS.format(domain=domain))


def _has_place(wish: Wish, domain: Domain) -> bool:
    """Without an endpoint its mail stays in the store, which would prove the half."""
    wish.domain = domain
    endpoint = wish.own_endpoint
    return wish.is_active and not wish.refused_because and endpoint is not None and endpoint.is_active
