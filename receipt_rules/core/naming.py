"""Names of our rules and rule sets. By its name alone we know a rule as ours, whatever has been done to it.

SES: letters, digits, "-", "_" (in rules also "."), first and last a letter or digit, 64 characters. Nothing of a
customer's is in a name: a rule is shared, keeps its name for life, and long domains do not fit (trap 9).
"""

import re
from collections.abc import Collection, Iterator
from itertools import count

from inbound_admin.lib.errors import Refused
from receipt_rules.core.rules import Limits

PREFIX = "inbound-admin"
_OURS = re.compile(rf"{PREFIX}-(first-)?(\d{{3,}})")
_SET_NUMBER = re.compile(r"-\d{3,}$")


def is_ours(name: str) -> bool:
    """Whether we made the rule of this name."""
    return _OURS.fullmatch(name) is not None


def stands_first(name: str) -> bool:
    """Whether it is one of our rules that stand before all domain entries and hold exact addresses alone."""
    found = _OURS.fullmatch(name)
    return found is not None and found.group(1) is not None


def new_names(taken: Collection[str], *, first: bool, limits: Limits) -> Iterator[str]:
    """Free names in their order: the lowest free number first, so that a plan made twice names alike."""
    for number in count(1):
        name = f"{PREFIX}-{'first-' if first else ''}{number:03}"
        if len(name) > limits.name_length:
            raise Refused(f"The rule name {name} is longer than the {limits.name_length} characters that SES allows.")
        if name not in taken:
            yield name


def next_set_name(name: str, taken: Collection[str], limits: Limits) -> str:
    """A free name for the successor of a rule set: the same with the next number at its end."""
    found = _SET_NUMBER.search(name)
    start = int(found.group().lstrip("-")) + 1 if found else 2
    for number in count(start):
        ending = f"-{number:03}"
        made = _SET_NUMBER.sub("", name)[: limits.name_length - len(ending)].rstrip("-_.") + ending
        if made not in taken and made != name:
            return made
    raise AssertionError("numbers do not end")
