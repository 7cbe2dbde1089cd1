"""Words what SES does with mail that none of a customer's addresses and catch-alls delivers. Pure.

SES knows no address that is off: a catch-all, or the address without the +label, may still make it accept the mail.
"""

from collections.abc import Callable

from domains.receiving.core import MX_POINTS_HERE, Receiving, ReceivingFacts, ReceivingState, RulesFact
from receipt_rules.planner.core.matching import RecipientOutcome, RoutingResult
from receipt_rules.planner.core.rules import ForeignRule

NOBODYS = "None of your addresses or catch-alls receives this mail."
OFF = "The address is off."
_DOES = {
    RecipientOutcome.STORED: "SES accepts it because of {by}: it's stored only, and senders get no bounce.",
    RecipientOutcome.LOST: "SES accepts it because of {by}, and nothing stores it. Senders get no bounce.",
    RecipientOutcome.BOUNCED: "Another receipt rule returns it to its senders.",
    RecipientOutcome.REJECTED: "SES rejects it.",
}
_STATES = {
    RecipientOutcome.STORED: ReceivingState.UNDELIVERED,
    RecipientOutcome.LOST: ReceivingState.LOST,
    RecipientOutcome.BOUNCED: ReceivingState.BOUNCED,
    RecipientOutcome.REJECTED: ReceivingState.REJECTED,
}


def undelivered(facts: ReceivingFacts, routing: RoutingResult, *, by: str, is_off: bool) -> Receiving | None:
    """Return the judgement of mail without a recipient here; None if the domain's own says it.

    `facts.rules` is NOTHING; `by`: what makes SES accept the mail, in words.
    """
    outcome = routing.recipient_outcomes[facts.recipient]
    is_known = facts.can_receive and facts.is_verified and not facts.is_unread
    if not is_known or facts.is_elsewhere or (not facts.is_wanted and outcome is RecipientOutcome.REJECTED):
        return None
    does = _DOES[outcome].format(by=by)
    if facts.mx not in MX_POINTS_HERE:
        does = f"Once the MX record points here: {does}"
    state = ReceivingState.OFF if is_off else _STATES[outcome]
    if facts.mx not in MX_POINTS_HERE and not is_off:
        state = ReceivingState.ADD_ADDRESS
    return Receiving(facts.name, state, f"{OFF if is_off else NOBODYS} {does}")


def accepted_by(routing: RoutingResult, recipient: str, *, is_own: Callable[[str], bool]) -> str:
    """Return what makes SES accept the mail, without telling one customer of another."""
    matches = [
        match.entry
        for outcome in routing.fired
        for match in outcome.matches
        if match.recipient == recipient and not isinstance(outcome.rule, ForeignRule)
    ]
    own = next(filter(is_own, matches), "")
    return _named(own) if own else "a subdomain catch-all above" if matches else "another receipt rule"


def _named(entry: str) -> str:
    if "@" in entry:
        return entry
    return f"the subdomain catch-all of {entry[1:]}" if entry.startswith(".") else f"the catch-all of {entry}"


def kept_fact(routing: RoutingResult, recipient: str) -> RulesFact:
    """Return the fact of mail without a recipient here, for its path."""
    outcome = routing.recipient_outcomes[recipient]
    return {
        RecipientOutcome.STORED: RulesFact.ACCEPTED,
        RecipientOutcome.LOST: RulesFact.STOPPED,
        RecipientOutcome.BOUNCED: RulesFact.BOUNCED,
        RecipientOutcome.REJECTED: RulesFact.NOTHING,
    }[outcome]
