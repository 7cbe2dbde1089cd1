"""Test messages as a viewer may see them."""

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit.services import Subject
from receipt_rules.live.selectors import LastRead, last_read
from receipt_rules.models.probes import MailProbe
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RecipientOutcome
from receipt_rules.probes.core import ProbeFacts


def probe_subject(probe: MailProbe) -> Subject:
    """What the change log calls it: by its recipient."""
    return Subject("probe", probe.pk, probe.recipient[:254], probe.customer_id)


def probes_for(viewer: Viewer) -> QuerySet[MailProbe]:
    """Of the viewer's customers, or of all for staff who support them."""
    rows = MailProbe.objects.select_related("customer", "domain")
    return rows if supports_everyone(viewer) else rows.filter(customer__in=customers_for(viewer))


def facts_of_probe(
    probe: MailProbe, *, names_rules: bool = False, read: Callable[[], LastRead | None] = last_read
) -> ProbeFacts:
    """Of one that wasn't reported yet, with what the rules as last read do with it. Customers see no rule's name.

    `read`: where many are judged, `last_read` that is asked once.
    """
    known = {field.name: getattr(probe, field.name) for field in fields(ProbeFacts) if hasattr(probe, field.name)}
    bound = timedelta(minutes=settings.TEST_MESSAGE_MINUTES)
    is_open = not (probe.handled_at or probe.send_problem)
    stage, why = _foreseen(read(), probe.recipient, names_rules=names_rules) if is_open else ("", "")
    return ProbeFacts(**known, foreseen=why, foreseen_at=stage, bound=bound)


def _foreseen(read: LastRead | None, recipient: str, *, names_rules: bool) -> tuple[str, str]:
    if read is None:
        return "", ""
    routing = matching.route(read.rule_set.rules, [recipient])
    outcome = routing.recipient_outcomes[recipient]
    bouncing = next((each.rule.name for each in routing.fired if each.rule.delivery.bounces), "")
    rules = {RecipientOutcome.LOST: routing.stopped_by, RecipientOutcome.BOUNCED: bouncing}
    name = rules.get(outcome, "")
    by = f"rule {name}" if name and names_rules else "another receipt rule"
    if outcome is RecipientOutcome.REJECTED:
        return "Accepted", "rejected by SES, because no receipt rule matches it"
    if outcome is RecipientOutcome.BOUNCED:
        return "Rule", f"bounced by {by}"
    if outcome is RecipientOutcome.LOST:
        return "Rule", f"stopped by {by} before a rule stores it" if name else "accepted by SES, but no rule stores it"
    return "", ""
