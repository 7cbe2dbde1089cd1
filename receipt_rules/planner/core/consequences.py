"""What a plan means for each address: who begins to be served, who loses delivery, whose mail goes elsewhere."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receipt_rules.planner.core.recipient_index import Addresses, Trace, affected
from receipt_rules.planner.core.rules import RuleDelivery, RuleSet, spoken
from receipt_rules.planner.core.steps import RuleStep


class Fate(StrEnum):
    LOSES = "loses"
    REDIRECTED = "redirected"
    TWICE = "twice"
    ONCE = "once"
    GAINS = "gains"


_SENTENCES = {
    Fate.LOSES: "{who} is no longer taken: Amazon rejects its mail.",
    Fate.REDIRECTED: "{who} changes destination: {after}; until now {before}.",
    Fate.TWICE: "{who} is stored and processed more often than now: {after}.",
    Fate.ONCE: "{who} is stored and processed less often than now: {after}.",
    Fate.GAINS: "{who} begins to be taken: {after}.",
}


@dataclass(frozen=True, slots=True)
class Consequence:
    """`before`, `after`: one delivery for each rule that takes the mail. The address may be one of `sample_address`."""

    address: str
    fate: Fate
    before: tuple[RuleDelivery, ...]
    after: tuple[RuleDelivery, ...]

    @property
    def who(self) -> str:
        return spoken(self.address)

    @property
    def sentence(self) -> str:
        before, after = (" and ".join(str(each) for each in some) for some in (self.before, self.after))
        who = self.who
        return _SENTENCES[self.fate].format(
            who=who[0].upper() + who[1:] if " " in who else who, before=before, after=after
        )


def consequences(before: RuleSet, after: RuleSet, steps: Sequence[RuleStep] | None) -> tuple[Consequence, ...]:
    """Of every address that the steps touch and for which something changes; what is worst comes first.

    Without steps, of all addresses.
    """
    addresses = Addresses((*before.rules, *after.rules))
    stops = any(rule.enabled and rule.delivery.stops for rule in (*before.rules, *after.rules))
    asked = addresses.all if steps is None else affected(steps, addresses, order_matters=stops)
    start, end = Trace(before), Trace(after)
    found = []
    for address in asked:
        was = tuple(rule.delivery for rule in start.taking(address))
        becomes = tuple(rule.delivery for rule in end.taking(address))
        if (fate := _fate(was, becomes)) is not None:
            found.append(Consequence(address, fate, was, becomes))
    worst = {fate: place for place, fate in enumerate(Fate)}
    return tuple(sorted(found, key=lambda each: worst[each.fate]))


def summary(found: Iterable[Consequence]) -> str:
    """One sentence: how many addresses change destination, lose delivery, begin to be taken."""
    number = Counter(each.fate for each in found)
    parts = [
        f"{_addresses(number[Fate.REDIRECTED])} {_verb('change', number[Fate.REDIRECTED])} destination",
        f"{number[Fate.LOSES]} {_verb('lose', number[Fate.LOSES])} delivery",
        f"{number[Fate.GAINS]} {_verb('begin', number[Fate.GAINS])} to be taken",
    ]
    if number[Fate.TWICE]:
        parts.append(f"{number[Fate.TWICE]} {'is' if number[Fate.TWICE] == 1 else 'are'} stored more often than now")
    return f"{', '.join(parts)}."


def _fate(before: tuple[RuleDelivery, ...], after: tuple[RuleDelivery, ...]) -> Fate | None:
    if not before and not after:
        return None
    if not before:
        return Fate.GAINS
    if not after:
        return Fate.LOSES
    if set(before) != set(after):
        return Fate.REDIRECTED
    if len(before) == len(after):
        return None
    return Fate.TWICE if len(after) > len(before) else Fate.ONCE


def _addresses(number: int) -> str:
    return f"{number} address{'' if number == 1 else 'es'}"


def _verb(verb: str, number: int) -> str:
    return f"{verb}s" if number == 1 else verb
