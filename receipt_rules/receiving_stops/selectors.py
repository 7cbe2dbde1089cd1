"""Reads whose receiving Trust & Safety stopped. A stop wins over every plan and run: only its end brings mail back.

Plans leave these customers' recipients out, and a run stops before a step that would let one receive again.
"""

from collections.abc import Collection, Iterator

from accounts.people.selectors import customer_names
from domains.ownership.selectors import Holders
from receipt_rules.models.live import ReceivingStop
from receipt_rules.planner.core.rules import RuleSet, domain_of, is_ours

MOST_NAMED = 3


def stopped_customers() -> frozenset[str]:
    """Return the IDs of the customers whose receiving is stopped."""
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


def recipients_of(stopped: frozenset[str], recipients: Collection[str]) -> dict[str, str]:
    """Return those of the recipients whose name one of these customers (IDs) holds, each with its customer."""
    if not stopped or not recipients:
        return {}
    holders = Holders.read(stopped)
    owners = {each: holders.customer_of(domain_of(each)) for each in recipients}
    return {each: owner for each, owner in owners.items() if owner in stopped}


def starting(before: RuleSet, after: RuleSet) -> frozenset[str]:
    """Return the recipients that an enabled managed rule has only in the second set."""
    known = before.by_name
    changed = [rule for rule in after.ours if rule.enabled and known.get(rule.name) != rule]
    found = {each for rule in changed for each in rule.recipients}
    if not found:
        return frozenset()
    own = (rule for rule in before.rules if rule.enabled and is_ours(rule.name))
    return frozenset(found.difference(*(rule.recipient_set for rule in own)))


def stop_sentences(stays_out: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each customer: which of the recipients a plan leaves out, and why."""
    names = customer_names(stays_out.values())
    for customer, name in sorted(names.items(), key=lambda each: each[1]):
        own = sorted(each for each, owner in stays_out.items() if owner == customer)
        more = f" and {len(own) - MOST_NAMED:,} more" if len(own) > MOST_NAMED else ""
        stays = "recipient stays" if len(own) == 1 else "recipients stay"
        yield (
            f"Trust & Safety stopped receiving for {name}, so {len(own):,} of its {stays} out of the rules: "
            f"{', '.join(own[:MOST_NAMED])}{more}. Only Trust & Safety can resume it."
        )
