"""An index from recipient to rules: finds quickly which rules deliver an address's mail while rules change.

`matching.delivering_rules` scans all rules for one address; a plan needs many addresses after many steps.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from receipt_rules.planner.core.rules import AnyRule, RuleSet, is_address, parent_entries, sample_address
from receipt_rules.planner.core.steps import Create, Delete, Move, Reorder, RuleStep, Update, apply


class RecipientIndex:
    """A rule set with its index. `apply_step` applies one step to both."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self._naming: dict[str, tuple[str, ...]] = {}
        self._everybody: set[str] = set()
        self._below = False  # whether any entry was ever for subdomains
        for rule in rule_set.rules:
            self._add(rule)
        self._update_order()

    def apply_step(self, step: RuleStep) -> None:
        if not isinstance(step, Move | Reorder):
            if step.old is not None:
                self._remove(step.old)
            if step.new is not None:
                self._add(step.new)
        self.rule_set = apply(step, self.rule_set)
        self._update_order()

    def delivering_rules(self, address: str) -> tuple[AnyRule, ...]:
        """Return the same as `matching.delivering_rules`, for an address in lower case."""
        names = self._names_for(address)
        if not names and not self._everybody:
            return ()
        if len(names) == 1 and not self._everybody:
            rule = self._rules[names[0]]
            return (rule,) if rule.delivery.delivers else ()
        return tuple(rule for rule in self._evaluated({*names, *self._everybody}) if rule.delivery.delivers)

    def bouncing_rules(self, address: str) -> tuple[AnyRule, ...]:
        """Return the rules that return mail for an address in lower case to its senders, in order."""
        names = {*self._names_for(address), *self._everybody}
        return tuple(rule for rule in self._evaluated(names) if rule.delivery.bounces)

    def covering_rules(self, address: str) -> tuple[AnyRule, ...]:
        """Return all enabled rules that cover an address in lower case, in order, also those after a Stop."""
        names = {*self._names_for(address), *self._everybody}
        return tuple(self._rules[name] for name in sorted(names, key=self._places.__getitem__))

    def _names_for(self, address: str) -> list[str]:
        """Same as `rules.covering_entries`, inlined because it runs for 100,000 addresses."""
        naming, local_and_domain = self._naming, address.rpartition("@")
        names = [*naming.get(address, ()), *naming.get(local_and_domain[2], ())]
        if "+" in address:
            names += naming.get(f"{local_and_domain[0].partition('+')[0]}@{local_and_domain[2]}", ())
        if self._below:
            for parent in parent_entries(local_and_domain[2]):
                names += naming.get(parent, ())
        return names

    def _evaluated(self, names: Iterable[str]) -> Iterator[AnyRule]:
        """Yield these rules in order, up to one that stops."""
        for name in sorted(names, key=self._places.__getitem__):
            rule = self._rules[name]
            yield rule
            if rule.delivery.stops:
                return

    def _update_order(self) -> None:
        self._rules = self.rule_set.by_name
        self._places = {name: place for place, name in enumerate(self._rules)}

    def _add(self, rule: AnyRule) -> None:
        if not rule.enabled:
            return
        if not rule.recipient_set:
            self._everybody.add(rule.name)
        naming, one = self._naming, (rule.name,)
        others = {recipient: naming[recipient] for recipient in rule.recipient_set if recipient in naming}
        naming.update(dict.fromkeys(rule.recipient_set, one))
        naming.update((recipient, names + one) for recipient, names in others.items())
        self._below = self._below or any(recipient[0] == "." for recipient in rule.recipient_set)

    def _remove(self, rule: AnyRule) -> None:
        if not rule.enabled:
            return
        self._everybody.discard(rule.name)
        for recipient in rule.recipient_set:
            left = tuple(name for name in self._naming.pop(recipient) if name != rule.name)
            if left:
                self._naming[recipient] = left


MOST_NAMES = 2_000  # with more, nearly every rule is relevant


def relevant_rules(*rule_sets: RuleSet, steps: Sequence[RuleStep] | None) -> tuple[RuleSet, ...]:
    """Return the rule sets reduced to recipients that can affect mail that the steps change.

    Returns them unchanged if the steps may affect any address. So the change of one address doesn't index 100,000
    others.
    """
    changed: set[str] = set()
    for step in steps or ():
        recipients = touched_recipients(step)
        if recipients is None:
            return rule_sets
        changed |= recipients
    if steps is None or len(changed) > MOST_NAMES or any(recipient[0] == "." for recipient in changed):
        return rule_sets
    names = {recipient.rpartition("@")[2] for recipient in changed}
    names |= {parent for name in names for parent in parent_entries(name)}
    kept: dict[int, AnyRule | None] = {}
    return tuple(replace(each, rules=tuple(_near(each.rules, names, kept))) for each in rule_sets)


def _near(rules: Iterable[AnyRule], names: set[str], kept: dict[int, AnyRule | None]) -> Iterator[AnyRule]:
    """`kept` is keyed by identity: most rules are the same objects before and after.

    A rule without recipients is kept.
    """
    for rule in rules:
        if id(rule) not in kept:
            some = tuple(one for one in rule.recipient_set if one.rpartition("@")[2] in names)
            is_needed = some or not rule.recipient_set
            kept[id(rule)] = replace(rule, recipients=some) if is_needed else None
        if (found := kept[id(rule)]) is not None:
            yield found


class SampleAddresses:
    """Every address worth checking: those named in rules, and a sample address for each domain entry."""

    def __init__(self, rules: Iterable[AnyRule]) -> None:
        self._at: dict[str, list[str]] = defaultdict(list)
        self._labelled: dict[str, list[str]] = defaultdict(list)
        for recipient in sorted({recipient for rule in rules for recipient in rule.recipient_set}):
            address = sample_address(recipient)
            local, _, domain = address.rpartition("@")
            self._at[domain].append(address)
            if "+" in local:
                self._labelled[f"{local.partition('+')[0]}@{domain}"].append(address)

    @property
    def all(self) -> list[str]:
        return [address for some in self._at.values() for address in some]

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for domain in self._at:
            for parent in parent_entries(domain):
                found[parent].append(domain)
        return found

    def affected_by(self, recipient: str) -> Sequence[str]:
        """Return the addresses whose mail an entry affects."""
        if is_address(recipient):
            labelled = self._labelled.get(recipient)
            return (recipient, *labelled) if labelled else (recipient,)
        domains = self._below.get(recipient, ()) if recipient.startswith(".") else (recipient,)
        return [address for domain in domains for address in self._at.get(domain, ())]


def touched_recipients(step: RuleStep) -> frozenset[str] | None:
    """Return the recipients whose mail a step may change; None if it may change anyone's."""
    match step:
        case Create():
            return step.new.recipient_set
        case Delete():
            return step.old.recipient_set or None
        case Update():
            old, new = step.old.recipient_set, step.new.recipient_set
            return ((old | new) if step.redirects else (old ^ new)) if old else None
        case Move():
            return step.rule.recipient_set or None
        case Reorder():
            return None


def affected_addresses(
    steps: Iterable[RuleStep], addresses: SampleAddresses, *, order_matters: bool
) -> dict[str, None]:
    """Return the addresses that the steps may affect, each once and in a stable order.

    `order_matters`: whether a rule stops the evaluation, so that the order of rules matters.
    """
    found: dict[str, None] = {}
    for step in steps:
        if isinstance(step, Move | Reorder) and not order_matters:
            continue
        recipients = touched_recipients(step)
        if recipients is None:
            return dict.fromkeys(addresses.all)
        for recipient in sorted(recipients):
            found.update(dict.fromkeys(addresses.affected_by(recipient)))
    return found
