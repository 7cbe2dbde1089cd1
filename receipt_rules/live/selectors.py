"""The live rules: what Amazon answers, and what we keep of it."""

from django.conf import settings

from receipt_rules.models.runs import Snapshot
from receipt_rules.planner.core.plans import load
from receipt_rules.planner.core.rules import RuleSet


def last_known() -> Snapshot | None:
    return Snapshot.objects.filter(region=settings.AWS_REGION).first()


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
