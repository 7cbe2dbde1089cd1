"""Computes the desired entries of our rules from addresses and catch-alls.

An address with the same delivery as a broader wanted entry needs no entry of its own: the broader entry brings its mail
to the same place, and our route lookup chooses the endpoint. With another delivery it has an entry, and then SES runs
both rules: a Stop cannot prevent that, since it would end the evaluation for other customers' recipients on the same
message too. Such addresses are reported as `doubles`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from receipt_rules.planner.core.rules import RuleDelivery, RuleSet, broader, is_address


@dataclass(frozen=True)
class Double:
    """A recipient whose mail two of our rules take, to different places."""

    recipient: str
    also: str

    @property
    def sentence(self) -> str:
        return (
            f"Mail for {self.recipient} is received twice: by its own rule and by the rule of {self.also}. To "
            "prevent this, give both the same SES options: route lookup still tells their endpoints apart."
        )


@dataclass(frozen=True)
class Desired:
    """`entries`: recipient to delivery. `covered`: an address without an entry to the entry that serves it.

    `refused`: what SES refuses in a rule, with the delivery that it would have; it is in neither of both.
    """

    entries: Mapping[str, RuleDelivery]
    covered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    doubles: tuple[Double, ...] = ()
    refused: Mapping[str, RuleDelivery] = field(default_factory=lambda: MappingProxyType({}))


def in_order(entries: dict[str, RuleDelivery]) -> dict[str, RuleDelivery]:
    """Always the same one, however the rows came: addresses first, then what holds for whole names."""
    return {each: entries[each] for each in sorted(entries, key=lambda each: (not is_address(each), each.lstrip(".")))}


def reduced(wanted: Mapping[str, RuleDelivery]) -> Desired:
    """Without the entries that a broader one serves."""
    entries: dict[str, RuleDelivery] = {}
    covered: dict[str, str] = {}
    doubles: list[Double] = []
    has_below = any(recipient[0] == "." for recipient in wanted)
    for recipient, delivery in wanted.items():
        above = _broader_wanted(recipient, wanted, has_below=has_below)
        by = next((other for other in above if wanted[other] == delivery), "")
        if by:
            covered[recipient] = by
            continue
        entries[recipient] = delivery
        doubles.extend(Double(recipient, other) for other in above[:1])
    return Desired(MappingProxyType(entries), MappingProxyType(covered), tuple(doubles))


def _broader_wanted(recipient: str, wanted: Mapping[str, RuleDelivery], *, has_below: bool) -> Sequence[str]:
    """As `broader`, of a million: only its own domain's entry is broader where none is for names below."""
    if has_below or "+" in recipient:
        return [other for other in broader(recipient) if other in wanted]
    _, is_exact, name = recipient.rpartition("@")
    return (name,) if is_exact and name in wanted else ()


def as_it_stands(rule_set: RuleSet) -> Desired:
    """Return what managed rules do as a desired state, for rollback. The first rule with a recipient counts."""
    entries: dict[str, RuleDelivery] = {}
    for rule in rule_set.ours:
        if rule.enabled:
            entries |= {recipient: rule.delivery for recipient in rule.recipients if recipient not in entries}
    return Desired(MappingProxyType(entries))
