"""Computes the desired entries of managed rules from addresses and catch-alls.

An address with the same delivery as a broader desired entry needs no entry of its own: the broader entry delivers its
mail to the same place, and our route lookup chooses the endpoint. That holds within one customer: what a customer has
never depends on another's subdomain catch-all, which that customer may end. An address with another delivery has its
own entry, and SES then runs both rules. A Stop action can't prevent that, because it would also end rule evaluation
for other customers' recipients of the same message. Such addresses are reported as `doubles`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from receipt_rules.planner.core.rules import RuleDelivery, RuleSet, broader_entries, domain_of, is_address


@dataclass(frozen=True)
class DoubleDelivery:
    """A recipient whose mail two managed rules deliver to different places."""

    recipient: str
    also: str

    @property
    def sentence(self) -> str:
        return (
            f"Mail for {self.recipient} is received twice: by its own rule and by the rule of {self.also}. To "
            "prevent this, give both the same SES options: route lookup still tells their endpoints apart."
        )


@dataclass(frozen=True)
class DesiredEntries:
    """The desired state of the managed rules.

    `entries`: the delivery of each recipient. `covered`: for an address without an entry, the entry that serves it.
    `refused`: recipients that SES refuses in a rule, with the delivery they would have; neither `entries` nor `covered`
    has them.
    """

    entries: Mapping[str, RuleDelivery]
    covered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    doubles: tuple[DoubleDelivery, ...] = ()
    refused: Mapping[str, RuleDelivery] = field(default_factory=lambda: MappingProxyType({}))


def sorted_entries(entries: dict[str, RuleDelivery]) -> dict[str, RuleDelivery]:
    """Sort the entries the same way whatever the row order: addresses first, then domain entries."""
    return {each: entries[each] for each in sorted(entries, key=lambda each: (not is_address(each), each.lstrip(".")))}


def without_covered(
    wanted: Mapping[str, RuleDelivery],
    *,
    shared: Collection[str] = frozenset(),
    owner: Callable[[str], str] = lambda _: "",
) -> DesiredEntries:
    """Return the desired state without entries that a broader entry serves.

    `shared`: subdomain entries above names of several customers; `owner` returns the customer of a name.
    """
    entries: dict[str, RuleDelivery] = {}
    covered: dict[str, str] = {}
    doubles: list[DoubleDelivery] = []
    has_below = any(recipient[0] == "." for recipient in wanted)
    for recipient, delivery in wanted.items():
        above = _broader_wanted(recipient, wanted, has_below=has_below)
        if shared and above:
            above = [each for each in above if each not in shared or _is_same(owner, each, recipient)]
        by = next((other for other in above if wanted[other] == delivery), "")
        if by:
            covered[recipient] = by
            continue
        entries[recipient] = delivery
        doubles.extend(DoubleDelivery(recipient, other) for other in above[:1])
    return DesiredEntries(MappingProxyType(entries), MappingProxyType(covered), tuple(doubles))


def _is_same(owner: Callable[[str], str], entry: str, recipient: str) -> bool:
    return owner(domain_of(entry)) == owner(domain_of(recipient))


def _broader_wanted(recipient: str, wanted: Mapping[str, RuleDelivery], *, has_below: bool) -> Sequence[str]:
    """Return the desired entries that are broader than a recipient.

    Fast for a million recipients: without subdomain entries, only the entry of its own domain can be broader.
    """
    if has_below or "+" in recipient:
        return [other for other in broader_entries(recipient) if other in wanted]
    _, is_exact, name = recipient.rpartition("@")
    return (name,) if is_exact and name in wanted else ()


def live_state(rule_set: RuleSet) -> DesiredEntries:
    """Return what the managed rules do as a desired state, for rollback. The first rule with a recipient counts."""
    entries: dict[str, RuleDelivery] = {}
    for rule in rule_set.ours:
        if rule.enabled:
            entries |= {recipient: rule.delivery for recipient in rule.recipients if recipient not in entries}
    return DesiredEntries(MappingProxyType(entries))
