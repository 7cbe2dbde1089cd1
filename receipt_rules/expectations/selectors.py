"""Finds saved expectations that fail: now, after a plan, and because of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from audit.services import Subject
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import S3, AnyRule, Rule, RuleSet, deliveries_of
from receipt_rules.route_lookup.selectors import Route, route_lookup

_MUST = {
    Expected.TAKEN: "must be received",
    Expected.ONCE: "must be received exactly once",
    Expected.BY_US: "must be received by managed rules only",
    Expected.ENDPOINT: "must be delivered to the endpoint {endpoint}",
    Expected.NOT_TAKEN: "must not be received",
}


@dataclass(frozen=True)
class BrokenExpectation:
    """`by_rules`: the rules break it. Otherwise the rules keep it, but the address has another endpoint."""

    expectation_id: str
    sentence: str
    by_rules: bool


def broken_expectations(rule_set: RuleSet) -> tuple[BrokenExpectation, ...]:
    """Return each saved expectation that fails in this rule set."""
    rows = list(Expectation.objects.select_related("endpoint"))
    routes = dict(zip((row.address for row in rows), route_lookup(row.address for row in rows), strict=True))
    found = ((row, matching.delivering_rules(rule_set.rules, row.address)) for row in rows)
    return tuple(
        _broken(row, rules, by_rules=not _kept(row, rules))
        for row, rules in found
        if not (_kept(row, rules) and _is_wanted(row, routes))
    )


def newly_broken(made: Plan) -> tuple[str, ...]:
    """Return expectations that hold before the plan and not after it. Only these block the plan."""
    return tuple(each.sentence for each, is_new in _after(made) if is_new)


def still_broken(made: Plan) -> tuple[str, ...]:
    """Return expectations that fail before and after the plan. They are shown and don't block it."""
    return tuple(each.sentence for each, is_new in _after(made) if not is_new)


def _after(made: Plan) -> list[tuple[BrokenExpectation, bool]]:
    before = {each.expectation_id for each in broken_expectations(made.before) if each.by_rules}
    return [(each, each.by_rules and each.expectation_id not in before) for each in broken_expectations(made.after)]


def _is_wanted(row: Expectation, routes: Mapping[str, Route]) -> bool:
    """Return whether route lookup chooses the expected endpoint."""
    chosen = routes[row.address].endpoint
    return row.expected != Expected.ENDPOINT or (chosen is not None and chosen.pk == row.endpoint_id)


def _kept(row: Expectation, rules: tuple[AnyRule, ...]) -> bool:
    match Expected(row.expected):
        case Expected.TAKEN:
            return bool(rules)
        case Expected.ONCE:
            return len(deliveries_of(rules, row.address)) == 1
        case Expected.BY_US:
            return bool(rules) and all(isinstance(rule, Rule) for rule in rules)
        case Expected.ENDPOINT:
            return row.endpoint is not None and _reaches(row.endpoint, rules)
        case Expected.NOT_TAKEN:
            return not rules


def _reaches(endpoint: Endpoint, rules: tuple[AnyRule, ...]) -> bool:
    """Return whether a managed rule stores it where the endpoint's mail is read."""
    store = endpoint.s3_bucket or settings.RECEIVING_BUCKET
    actions = [action for rule in rules if isinstance(rule, Rule) for action in rule.delivery.effective_actions]
    return any(isinstance(action, S3) and action.bucket == store for action in actions)


def _broken(row: Expectation, rules: tuple[AnyRule, ...], *, by_rules: bool) -> BrokenExpectation:
    by = ", ".join(rule.name if isinstance(rule, Rule) else f"{rule.name} (unmanaged)" for rule in rules)
    must = _MUST[Expected(row.expected)].format(endpoint=row.endpoint)
    if not by_rules:
        return BrokenExpectation(row.pk, f"Mail for {row.address} {must}; its address has another endpoint.", by_rules)
    found = (
        f"{len(rules)} rule{'s' if len(rules) > 1 else ''} would receive it: {by}"
        if rules
        else "no rule would receive it"
    )
    return BrokenExpectation(row.pk, f"Mail for {row.address} {must}; {found}.", by_rules)


def expectation_subject(expectation: Expectation) -> Subject:
    return Subject("expectation", expectation.id, expectation.address)


def expectations() -> QuerySet[Expectation]:
    return Expectation.objects.select_related("by", "endpoint").all()
