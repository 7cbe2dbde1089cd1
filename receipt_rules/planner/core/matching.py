"""Simulates SES's evaluation of a message: the rules in order against the whole envelope (ses.md B, evaluation).

One message may be for several customers. A rule fires when it matches any recipient, with those that it matched. All
matching rules fire, in order; a Stop ends the evaluation for everybody on the message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from receipt_rules.planner.core.rules import (
    Action,
    AnyRule,
    Stop,
    covering,
    domain_of,
    is_address,
)


class Because(StrEnum):
    ADDRESS = "address"
    LABEL = "label"
    DOMAIN = "domain"
    SUBDOMAIN = "subdomain"
    EVERYBODY = "everybody"


_SENTENCES = {
    Because.ADDRESS: "{recipient} is a recipient.",
    Because.LABEL: "{entry} is a recipient. It also covers {entry} with any +label.",
    Because.DOMAIN: "{entry} is a recipient. It covers every address at the domain.",
    Because.SUBDOMAIN: "{entry} is a recipient. It covers every subdomain.",
    Because.EVERYBODY: "The rule has no recipient condition, so it applies to all recipients.",
}


class RecipientFate(StrEnum):
    """What becomes of one recipient's mail, in the words of `domains.receiving`.

    REJECTED: no rule matches, and SES answers 550. BOUNCED: by a Bounce action. LOST: SES accepts it, since a rule
    matches, and nothing stores it; the sender is told nothing.
    """

    STORED = "stored"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    LOST = "lost"


@dataclass(frozen=True)
class Match:
    """`entry` is the recipient of the rule that covers the address, "" where the rule is for everybody."""

    recipient: str
    entry: str
    because: Because

    @property
    def sentence(self) -> str:
        return _SENTENCES[self.because].format(recipient=self.recipient, entry=self.entry)


@dataclass(frozen=True)
class RuleOutcome:
    """One rule against the envelope. `stopped_by` names the earlier rule for which this one was not tried."""

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
    """Evaluate the rules for one message. Recipients are in lower case, in the order of the envelope."""

    envelope: tuple[str, ...]
    outcomes: tuple[RuleOutcome, ...]

    @property
    def fired(self) -> tuple[RuleOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.fired)

    @property
    def actions(self) -> tuple[tuple[str, Action], ...]:
        """Rule name and action, in the order in which they run: each once for all recipients that the rule matched."""
        return tuple((each.rule.name, action) for each in self.fired for action in each.rule.delivery.reached)

    @property
    def stopped_by(self) -> str:
        """The rule whose Stop ended the evaluation, "" when none did."""
        return next((each.rule.name for each in self.fired if each.rule.delivery.stops), "")

    @cached_property
    def taken_by(self) -> dict[str, tuple[AnyRule, ...]]:
        """For each recipient the rules that take its mail somewhere."""
        taking = [each for each in self.fired if each.rule.delivery.delivers]
        return {
            recipient: tuple(
                each.rule for each in taking if any(match.recipient == recipient for match in each.matches)
            )
            for recipient in self.envelope
        }

    @cached_property
    def fates(self) -> dict[str, RecipientFate]:
        """Of each recipient. A rule that matches but isn't evaluated makes SES accept the mail all the same."""
        matched = {match.recipient for each in self.outcomes if each.rule.enabled for match in each.matches}
        bounced = {match.recipient for each in self.fired if each.rule.delivery.bounces for match in each.matches}
        return {
            recipient: RecipientFate.REJECTED
            if recipient not in matched
            else RecipientFate.BOUNCED
            if recipient in bounced
            else RecipientFate.STORED
            if self.taken_by[recipient]
            else RecipientFate.LOST
            for recipient in self.envelope
        }

    @property
    def unserved(self) -> tuple[str, ...]:
        return tuple(recipient for recipient in self.envelope if not self.taken_by[recipient])

    @property
    def stored_twice(self) -> tuple[str, ...]:
        """Recipients whose mail more than one rule takes: stored and processed twice."""
        return tuple(recipient for recipient in self.envelope if len(self.taken_by[recipient]) > 1)

    @property
    def is_rejected(self) -> bool:
        """Whether no rule matches anybody: SES blocks the message."""
        return not self.fired

    @property
    def flags(self) -> tuple[str, ...]:
        """Sentences about what may surprise."""
        return tuple(_flags(self))


def route(rules: Iterable[AnyRule], envelope: Sequence[str]) -> RoutingResult:
    """Follow one message, with all its recipients, through the rules as SES tries them."""
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
    """Whether the rule covers an address (in lower case), switched off or not; the narrowest entry that does."""
    if not rule.recipient_set:
        return Match(recipient, "", Because.EVERYBODY)
    entry = next((entry for entry in covering(recipient) if entry in rule.recipient_set), None)
    return Match(recipient, entry, _because(entry, recipient)) if entry is not None else None


def why_not(rule: AnyRule, recipient: str) -> str:
    """One sentence on why the rule does not cover an address; names the entry that comes nearest."""
    domain = domain_of(recipient.lower())
    if f".{domain}" in rule.recipient_set:
        return f".{domain} covers subdomains of {domain}, not {domain} itself."
    parents = (parent.lstrip(".") for parent in covering(recipient.lower()) if parent.startswith("."))
    for parent in parents:
        if parent in rule.recipient_set:
            return f"{parent} covers addresses at {parent}, not those at its subdomains."
    same = sum(is_address(entry) and domain_of(entry) == domain for entry in rule.recipient_set)
    if same:
        return f"It has {same} other address{'es' if same > 1 else ''} at {domain}, not this one."
    return f"It has no recipients at {domain}."


def taking(rules: Iterable[AnyRule], recipient: str) -> tuple[AnyRule, ...]:
    """Return the rules that match this address alone, in order, up to one that stops."""
    keys, found = tuple(covering(recipient.lower())), []
    for rule in rules:
        names = rule.recipient_set
        if not rule.enabled or (names and names.isdisjoint(keys)):
            continue
        if rule.delivery.delivers:
            found.append(rule)
        if rule.delivery.stops:
            break
    return tuple(found)


def _because(entry: str, recipient: str) -> Because:
    if entry.startswith("."):
        return Because.SUBDOMAIN
    if not is_address(entry):
        return Because.DOMAIN
    return Because.ADDRESS if entry == recipient else Because.LABEL


def _flags(routing: RoutingResult) -> Iterable[str]:
    if routing.is_rejected:
        yield "No rule matches: SES rejects the message."
    else:
        yield from _not_stored(routing)
    for recipient in routing.stored_twice:
        names = " and ".join(rule.name for rule in routing.taken_by[recipient])
        yield f"Mail for {recipient} is stored and processed more than once: by {names}."
    for outcome in routing.outcomes:
        yield from _flags_of(outcome)


def _not_stored(routing: RoutingResult) -> Iterable[str]:
    """The worst first: what is lost without a word."""
    stopper = f"{routing.stopped_by} stops it before a rule stores it" if routing.stopped_by else "no rule stores it"
    bouncing = ", ".join(each.rule.name for each in routing.fired if each.rule.delivery.bounces)
    sentences = {
        RecipientFate.LOST: f"is lost: SES accepts it, but {stopper}. Senders get no bounce.",
        RecipientFate.BOUNCED: f"bounces: {bouncing} returns it to its senders.",
        RecipientFate.REJECTED: "is rejected by SES: no rule matches.",
    }
    for fate, sentence in sentences.items():
        names = [recipient for recipient, found in routing.fates.items() if found is fate]
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
    if (
        outcome.fired
        and not any(isinstance(action, Stop) for action in rule.delivery.actions)
        and rule.delivery.may_stop
    ):
        yield f"{rule.name} may stop rule evaluation for all recipients, depending on its function's response."
