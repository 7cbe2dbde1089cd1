"""Simulates SES's rule evaluation: the rules in order against all recipients of a message (ses.md B, evaluation).

A message may have recipients of several customers. A rule runs if it matches any recipient, and only for those it
matches. All matching rules run, in order; a Stop action ends the evaluation for all recipients of the message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from receipt_rules.planner.core.rules import (
    Action,
    AnyRule,
    Stop,
    covering_entries,
    deliveries_of,
    domain_of,
    is_address,
)


class MatchReason(StrEnum):
    ADDRESS = "address"
    LABEL = "label"
    DOMAIN = "domain"
    SUBDOMAIN = "subdomain"
    EVERYBODY = "everybody"


_SENTENCES = {
    MatchReason.ADDRESS: "{recipient} is a recipient.",
    MatchReason.LABEL: "{entry} is a recipient. It also covers {entry} with any +label.",
    MatchReason.DOMAIN: "{entry} is a recipient. It covers every address at the domain.",
    MatchReason.SUBDOMAIN: "{entry} is a recipient. It covers every subdomain.",
    MatchReason.EVERYBODY: "The rule has no recipient condition, so it applies to all recipients.",
}


class RecipientOutcome(StrEnum):
    """What happens to one recipient's mail, in the terms of `domains.receiving`.

    REJECTED: no rule matches, and SES answers 550. BOUNCED: by a Bounce action. LOST: a rule matches, so SES accepts
    the mail, but nothing stores it and the sender isn't notified.
    """

    STORED = "stored"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    LOST = "lost"


@dataclass(frozen=True)
class Match:
    """`entry` is the recipient condition that covers the address; "" if the rule has none."""

    recipient: str
    entry: str
    reason: MatchReason

    @property
    def sentence(self) -> str:
        return _SENTENCES[self.reason].format(recipient=self.recipient, entry=self.entry)


@dataclass(frozen=True)
class RuleOutcome:
    """The result of one rule. `stopped_by` is the earlier rule whose Stop action prevented its evaluation."""

    rule: AnyRule
    matches: tuple[Match, ...]
    misses: tuple[str, ...]
    stopped_by: str = ""

    @property
    def fired(self) -> bool:
        return bool(self.matches) and self.rule.enabled and not self.stopped_by

    @property
    def sentence(self) -> str:
        if self.stopped_by:
            return f"Not evaluated: {self.stopped_by} stopped rule evaluation for all recipients of the message."
        if not self.rule.enabled:
            return "Not evaluated: the rule is disabled."
        if not self.matches:
            return "It covers none of the recipients."
        return " ".join(match.sentence for match in self.matches)


@dataclass(frozen=True)
class RoutingResult:
    """The result of all rules for one message. Recipients are in lower case, in the order of the envelope."""

    envelope: tuple[str, ...]
    outcomes: tuple[RuleOutcome, ...]

    @property
    def fired(self) -> tuple[RuleOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.fired)

    @property
    def actions(self) -> tuple[tuple[str, Action], ...]:
        """Return rule name and action in the order in which they run, once for all recipients that the rule matched."""
        return tuple((each.rule.name, action) for each in self.fired for action in each.rule.delivery.effective_actions)

    @property
    def stopped_by(self) -> str:
        """Return the name of the rule whose Stop action ended the evaluation; "" if none did."""
        return next((each.rule.name for each in self.fired if each.rule.delivery.stops), "")

    @cached_property
    def received_by(self) -> dict[str, tuple[AnyRule, ...]]:
        """Return for each recipient the rules that deliver its mail."""
        delivering_rules = [each for each in self.fired if each.rule.delivery.delivers]
        return {
            recipient: tuple(
                each.rule for each in delivering_rules if any(match.recipient == recipient for match in each.matches)
            )
            for recipient in self.envelope
        }

    @cached_property
    def recipient_outcomes(self) -> dict[str, RecipientOutcome]:
        """Return each recipient's outcome.

        SES also accepts mail if a matching rule isn't evaluated because of a Stop action.
        """
        matched = {match.recipient for each in self.outcomes if each.rule.enabled for match in each.matches}
        bounced = {match.recipient for each in self.fired if each.rule.delivery.bounces for match in each.matches}
        return {
            recipient: RecipientOutcome.REJECTED
            if recipient not in matched
            else RecipientOutcome.BOUNCED
            if recipient in bounced
            else RecipientOutcome.STORED
            if self.received_by[recipient]
            else RecipientOutcome.LOST
            for recipient in self.envelope
        }

    @property
    def unserved(self) -> tuple[str, ...]:
        return tuple(recipient for recipient in self.envelope if not self.received_by[recipient])

    @property
    def stored_twice(self) -> tuple[str, ...]:
        """Return recipients whose mail more than one rule stores and processes."""
        return tuple(each for each in self.envelope if len(deliveries_of(self.received_by[each], each)) > 1)

    @property
    def is_rejected(self) -> bool:
        """Return whether no rule matches any recipient, so that SES rejects the message."""
        return not self.fired

    @property
    def flags(self) -> tuple[str, ...]:
        """Return sentences about results that may be unexpected."""
        return tuple(_flags(self))


def route(rules: Iterable[AnyRule], envelope: Sequence[str]) -> RoutingResult:
    """Evaluate the rules for one message with all its recipients, as SES does."""
    recipients = tuple(dict.fromkeys(recipient.lower() for recipient in envelope))
    outcomes: list[RuleOutcome] = []
    stopped_by = ""
    for rule in rules:
        matches = tuple(found for found in (match(rule, recipient) for recipient in recipients) if found)
        matched = {found.recipient for found in matches}
        misses = tuple(recipient for recipient in recipients if recipient not in matched)
        outcomes.append(RuleOutcome(rule, matches, misses, stopped_by))
        if outcomes[-1].fired and rule.delivery.stops:
            stopped_by = rule.name
    return RoutingResult(recipients, tuple(outcomes))


def match(rule: AnyRule, recipient: str) -> Match | None:
    """Return the narrowest entry of the rule that covers an address (in lower case), or None. Ignores `enabled`."""
    if not rule.recipient_set:
        return Match(recipient, "", MatchReason.EVERYBODY)
    entry = next((entry for entry in covering_entries(recipient) if entry in rule.recipient_set), None)
    return Match(recipient, entry, _match_reason(entry, recipient)) if entry is not None else None


def why_not(rule: AnyRule, recipient: str) -> str:
    """Return a sentence on why the rule doesn't cover an address; it names the entry that comes closest."""
    domain = domain_of(recipient.lower())
    if f".{domain}" in rule.recipient_set:
        return f".{domain} covers subdomains of {domain}, not {domain} itself."
    parents = (parent.lstrip(".") for parent in covering_entries(recipient.lower()) if parent.startswith("."))
    for parent in parents:
        if parent in rule.recipient_set:
            return f"{parent} covers addresses at {parent}, not those at its subdomains."
    same = sum(is_address(entry) and domain_of(entry) == domain for entry in rule.recipient_set)
    if same:
        return f"It has {same} other address{'es' if same > 1 else ''} at {domain}, not this one."
    return f"It has no recipients at {domain}."


def delivering_rules(rules: Iterable[AnyRule], recipient: str) -> tuple[AnyRule, ...]:
    """Return the rules that deliver mail for this address alone, in order, up to one that stops."""
    keys, found = tuple(covering_entries(recipient.lower())), []
    for rule in rules:
        names = rule.recipient_set
        if not rule.enabled or (names and names.isdisjoint(keys)):
            continue
        if rule.delivery.delivers:
            found.append(rule)
        if rule.delivery.stops:
            break
    return tuple(found)


def _match_reason(entry: str, recipient: str) -> MatchReason:
    if entry.startswith("."):
        return MatchReason.SUBDOMAIN
    if not is_address(entry):
        return MatchReason.DOMAIN
    return MatchReason.ADDRESS if entry == recipient else MatchReason.LABEL


def _flags(routing: RoutingResult) -> Iterable[str]:
    if routing.is_rejected:
        yield "No rule matches: SES rejects the message."
    else:
        yield from _not_stored(routing)
    for recipient in routing.stored_twice:
        names = " and ".join(rule.name for rule in routing.received_by[recipient])
        yield f"Mail for {recipient} is stored and processed more than once: by {names}."
    for outcome in routing.outcomes:
        yield from _flags_of(outcome)


def _not_stored(routing: RoutingResult) -> Iterable[str]:
    """Yield a sentence for each kind of mail that isn't stored, lost mail first."""
    stopper = f"{routing.stopped_by} stops it before a rule stores it" if routing.stopped_by else "no rule stores it"
    bouncing = ", ".join(each.rule.name for each in routing.fired if each.rule.delivery.bounces)
    sentences = {
        RecipientOutcome.LOST: f"is lost: SES accepts it, but {stopper}. Senders get no bounce.",
        RecipientOutcome.BOUNCED: f"bounces: {bouncing} returns it to its senders.",
        RecipientOutcome.REJECTED: "is rejected by SES: no rule matches.",
    }
    for fate, sentence in sentences.items():
        names = [recipient for recipient, found in routing.recipient_outcomes.items() if found is fate]
        others = "" if len(names) == len(routing.envelope) else " The other recipients aren't affected."
        if names:
            yield f"Mail for {', '.join(names)} {sentence}{others}"


def _flags_of(outcome: RuleOutcome) -> Iterable[str]:
    rule = outcome.rule
    if outcome.stopped_by and outcome.matches and rule.enabled:
        yield f"{rule.name} would receive this mail, but {outcome.stopped_by} stops rule evaluation before it."
    if not rule.enabled and outcome.matches:
        yield f"{rule.name} would match, but is disabled."
    if outcome.fired and not rule.recipient_set:
        yield f"{rule.name} has no recipient condition: it receives the mail of every customer."
    if outcome.fired and rule.delivery.tls_required:
        yield f"{rule.name} bounces mail that comes without TLS."
    if outcome.fired and rule.delivery.effective_actions != rule.delivery.actions:
        yield f"{rule.name} has actions after its Stop action. AWS doesn't document whether SES runs them."
    if (
        outcome.fired
        and not any(isinstance(action, Stop) for action in rule.delivery.actions)
        and rule.delivery.may_stop
    ):
        yield f"{rule.name} may stop rule evaluation for all recipients, depending on its function's response."
