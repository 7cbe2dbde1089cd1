"""Test messages as a viewer may see them."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit.services import Subject
from receipt_rules.live.selectors import last_read
from receipt_rules.models.probes import MailProbe
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RecipientOutcome
from receipt_rules.planner.core.rules import AnyRule, covering_entries
from receipt_rules.probes.core import ProbeFacts


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
    names = {name for recipient in recipients for name in covering_entries(recipient.lower())}
    return [rule for rule in read.rule_set.rules if not rule.recipient_set or rule.recipient_set & names]


def _facts_of(probe: MailProbe, rules: Sequence[AnyRule] | None, *, names_rules: bool) -> ProbeFacts:
    known = {field.name: getattr(probe, field.name) for field in fields(ProbeFacts) if hasattr(probe, field.name)}
    stage, why = _foreseen(rules, probe.recipient, names_rules=names_rules)
    return ProbeFacts(**known, foreseen=why, foreseen_at=stage, bound=timedelta(minutes=settings.TEST_MESSAGE_MINUTES))


def _foreseen(rules: Sequence[AnyRule] | None, recipient: str, *, names_rules: bool) -> tuple[str, str]:
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
