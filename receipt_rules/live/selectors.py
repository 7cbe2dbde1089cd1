"""The live rules: what Amazon answers, and what we keep of it."""

from django.conf import settings

from receipt_rules.models.live import Look
from receipt_rules.models.runs import Snapshot
from receipt_rules.planner.core.plans import load
from receipt_rules.planner.core.rules import RuleSet


def last_known() -> Snapshot | None:
    return Snapshot.objects.filter(region=settings.AWS_REGION).first()


def is_set_up() -> bool:
    """Whether a rule set of ours was active when we last read SES: until then no change of customers is applied."""
    look = Look.objects.filter(region=settings.AWS_REGION).first()
    kinds = {each["kind"] for each in look.differences} if look else set()
    return last_known() is not None and not kinds & {"none_active", "stranger_active"}


def applied_when() -> str:
    """What a customer is told of a change: the truth about when SES has it."""
    if is_set_up():
        return "It is applied in a few seconds."
    return "It is applied once receiving is set up in this region. Our staff were notified."


def known_rules() -> RuleSet | None:
    """The set as the last run, or a person who accepted it, left it; None while we never knew any."""
    latest = last_known()
    if latest is None:
        return None
    found: RuleSet = load(latest.known) if latest.known else content_of(latest)
    return found


def content_of(snapshot: Snapshot) -> RuleSet:
    found: RuleSet = load(snapshot.content)
    return found
