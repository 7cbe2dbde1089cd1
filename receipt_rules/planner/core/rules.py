"""Receipt rules as values (SES v1), what a recipient condition covers, and the names of managed rules and rule sets.

A rule that we didn't create, or can't write back completely, is a `ForeignRule` (unmanaged). Recipients are spelled as
in SES. A managed rule has them in lower case, sorted, each once, because SES ignores case and order. What a recipient
covers depends on its spelling (ses.md B, matching): `user@example.com` also covers `user+anything@example.com`;
`example.com` covers the addresses at that name but not below it; `.example.com` covers those at every name below it but
not at it.

A rule is managed if its name matches our pattern, whatever else was done to it. SES allows letters, digits, "-", "_"
(in rules also "."), a letter or digit at both ends, and 64 characters. A name contains nothing of a customer's: a rule
is shared, keeps its name for life, and long domains don't fit (trap 9).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import count

from inbound_admin.lib.errors import Refused


@dataclass(frozen=True)
class RuleLimits:
    """SES's quotas for one region (ses.md A).

    They are settings, because AWS's own pages disagree about some of them.
    """

    rules: int = 200
    recipients: int = 500
    actions: int = 10
    name_length: int = 64
    rule_sets: int = 40


SES_LIMITS = RuleLimits()


class Invocation(StrEnum):
    EVENT = "Event"
    REQUEST_RESPONSE = "RequestResponse"


@dataclass(frozen=True)
class S3:
    """`kms_key` is SES's client-side encryption, which no Python client can read; it is kept so that it isn't lost."""

    bucket: str
    prefix: str = ""
    topic: str = ""
    kms_key: str = ""
    role: str = ""

    def __str__(self) -> str:
        return f"store in {self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Lambda:
    """Invoked as REQUEST_RESPONSE, the function may answer STOP_RULE_SET, which ends rule evaluation."""

    arn: str
    invocation: Invocation = Invocation.EVENT
    topic: str = ""

    def __str__(self) -> str:
        waits = " and wait for its response" if self.invocation is Invocation.REQUEST_RESPONSE else ""
        return f"call the function {self.arn.partition(':function:')[2] or self.arn}{waits}"


@dataclass(frozen=True)
class Sns:
    topic: str
    encoding: str = "UTF-8"

    def __str__(self) -> str:
        return f"publish to {self.topic.rpartition(':')[2]}"


@dataclass(frozen=True)
class Stop:
    """Ends rule evaluation for all recipients of the message. SES has only one scope, the rule set."""

    topic: str = ""

    def __str__(self) -> str:
        return "stop rule evaluation for all recipients of the message"


@dataclass(frozen=True)
class AddHeader:
    name: str
    value: str

    def __str__(self) -> str:
        return f"add the header {self.name}"


@dataclass(frozen=True)
class Bounce:
    """Not documented to end rule evaluation."""

    sender: str
    reply_code: str
    message: str
    status_code: str = ""
    topic: str = ""

    def __str__(self) -> str:
        return f"bounce with {self.reply_code} {self.message}"


@dataclass(frozen=True)
class Opaque:
    """An action that we don't write: shown as read (JSON, sorted members), never rewritten."""

    kind: str
    raw: str

    def __str__(self) -> str:
        return f"{self.kind} (not writable here)"


Action = S3 | Lambda | Sns | Stop | AddHeader | Bounce | Opaque

_DELIVERING = (S3, Lambda, Sns, Opaque)
_HARMLESS = ("WorkmailAction", "ConnectAction")  # they deliver elsewhere and aren't documented to stop


@dataclass(frozen=True)
class RuleDelivery:
    """The actions and options of a rule: everything except name, recipients and whether it is enabled."""

    actions: tuple[Action, ...]
    tls_required: bool = False  # SES bounces mail that comes without TLS
    scan: bool = True
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.actions, self.tls_required, self.scan)))

    def __hash__(self) -> int:
        """Precomputed, because a plan looks up the delivery of each recipient."""
        return self._hash

    def __str__(self) -> str:
        parts = [str(action) for action in self.actions] or ["do nothing"]
        return ", then ".join(parts) + (", TLS only" if self.tls_required else "")

    @property
    def is_writable(self) -> bool:
        """Return whether we know every action and at least one delivers the mail."""
        return self.delivers and not any(isinstance(action, Opaque) for action in self.actions)

    @cached_property
    def effective_actions(self) -> tuple[Action, ...]:
        """Return the actions that certainly run: those up to and including a Stop."""
        at = next((at for at, action in enumerate(self.actions) if isinstance(action, Stop)), len(self.actions))
        return self.actions[: at + 1]

    @cached_property
    def delivers(self) -> bool:
        """Return whether an action delivers the mail; a bounce or an added header doesn't."""
        return any(isinstance(action, _DELIVERING) for action in self.effective_actions)

    @cached_property
    def bounces(self) -> bool:
        return any(isinstance(action, Bounce) for action in self.effective_actions)

    @cached_property
    def stops(self) -> bool:
        """Return whether it certainly ends rule evaluation."""
        return any(isinstance(action, Stop) for action in self.actions)

    @property
    def may_stop(self) -> bool:
        """Return whether it ends rule evaluation or might: by its function's response, or by an unknown action."""
        return any(_may_stop(action) for action in self.actions)


def _may_stop(action: Action) -> bool:
    match action:
        case Stop():
            return True
        case Lambda():
            return action.invocation is Invocation.REQUEST_RESPONSE
        case Opaque():
            return action.kind not in _HARMLESS
    return False


@dataclass(frozen=True)
class Rule:
    """A managed rule. Raises Refused without recipients: SES would apply it to all recipients of all domains."""

    name: str
    delivery: RuleDelivery
    recipients: tuple[str, ...]
    enabled: bool = True

    def __post_init__(self) -> None:
        if not self.recipients:
            raise Refused(
                f"Rule {self.name} would have no recipient condition and would receive all mail of the account."
            )
        if not self.delivery.is_writable:
            raise Refused(
                f"Rule {self.name} would deliver mail nowhere, or have an action that this system doesn't write."
            )
        object.__setattr__(self, "recipients", canonical(self.recipients))

    @cached_property
    def recipient_set(self) -> frozenset[str]:
        return frozenset(self.recipients)


@dataclass(frozen=True)
class ForeignRule:
    """An unmanaged rule, which no step changes. `raw` is SES's own JSON, sorted.

    Without recipients it applies to all mail. `whole` is False if it has members that we don't know, so that its effect
    is known only in part.
    """

    name: str
    raw: str
    delivery: RuleDelivery
    recipients: tuple[str, ...] = ()
    enabled: bool = True
    whole: bool = True

    @property
    def is_for_everybody(self) -> bool:
        return not self.recipients

    @property
    def may_be_taken_over(self) -> bool:
        """Return whether its recipients and actions can move into managed rules with nothing lost."""
        return self.whole and bool(self.recipients) and self.delivery.is_writable

    @cached_property
    def recipient_set(self) -> frozenset[str]:
        return frozenset(canonical(self.recipients))


AnyRule = Rule | ForeignRule


@dataclass(frozen=True)
class RuleSet:
    """Rules in evaluation order. `created` is the time at SES; None if unknown."""

    name: str
    rules: tuple[AnyRule, ...] = ()
    created: datetime | None = None

    @cached_property
    def by_name(self) -> dict[str, AnyRule]:
        return {rule.name: rule for rule in self.rules}

    @property
    def ours(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, Rule))

    @property
    def foreign(self) -> tuple[ForeignRule, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, ForeignRule))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(rule.name for rule in self.rules)


def canonical(recipients: Iterable[str]) -> tuple[str, ...]:
    """Return the recipients in lower case, sorted, each once."""
    return tuple(sorted({recipient.lower() for recipient in recipients}))


_ANY_OTHER = "any-other-address@"
_ANY_NAME = "any-name"


def is_address(recipient: str) -> bool:
    return "@" in recipient


def domain_of(recipient: str) -> str:
    """Return the domain of a recipient, without a leading dot."""
    return recipient.rpartition("@")[2].lstrip(".")


FEW_NAMES = 50  # of more, comparing each costs as much as taking the recipient apart


def ending_in(names: Collection[str], recipients: Iterable[str]) -> Iterator[str]:
    """The recipients that may be at or below one of the names: all others are left out where the names are few."""
    ends = tuple(names) if len(names) <= FEW_NAMES else ("",)
    return (recipient for recipient in recipients if recipient.endswith(ends))


def broader_entries(recipient: str) -> Iterator[str]:
    """Yield the other entries that cover everything this one covers, narrowest first."""
    local, at, name = recipient.rpartition("@")
    if at:
        if "+" in local:
            yield f"{local.partition('+')[0]}@{name}"
        yield name
    yield from parent_entries(name.lstrip("."))


def covering_entries(address: str) -> Iterator[str]:
    """Yield every entry that covers an address, the address itself first."""
    yield address
    yield from broader_entries(address)


@lru_cache(maxsize=4096)
def parent_entries(domain: str) -> tuple[str, ...]:
    """Return `.b.c` and `.c` for `a.b.c`."""
    labels = domain.split(".")
    return tuple("." + ".".join(labels[at:]) for at in range(1, len(labels)))


def sample_address(recipient: str) -> str:
    """Return an address that the recipient covers and that no list names, to test what happens to all other mail."""
    if is_address(recipient):
        return recipient
    return f"{_ANY_OTHER}{_ANY_NAME if recipient.startswith('.') else ''}{recipient}"


def deliveries_of(rules: Sequence[AnyRule], address: str) -> tuple[RuleDelivery, ...]:
    """Return one delivery for each rule that delivers an address's mail.

    A subdomain entry that delivers as another rule does isn't counted: the function delivers each message once.
    """
    if len(rules) < 2:
        return tuple(rule.delivery for rule in rules)
    narrow = {each for each in covering_entries(address) if each[0] != "."}
    above = [isinstance(each, Rule) and each.recipient_set.isdisjoint(narrow) for each in rules]
    own = {rule.delivery for rule, is_above in zip(rules, above, strict=True) if not is_above}
    found = zip(rules, above, strict=True)
    return tuple(rule.delivery for rule, is_above in found if not (is_above and rule.delivery in own))


def describe_address(address: str) -> str:
    """Return an address in words, also one of `sample_address`."""
    if not address.startswith(_ANY_OTHER):
        return address
    name = address.removeprefix(_ANY_OTHER)
    if name.startswith(f"{_ANY_NAME}."):
        return f"all other mail below {name.removeprefix(_ANY_NAME).lstrip('.')}"
    return f"all other mail at {name}"


PREFIX = "inbound-admin"
_OURS = re.compile(rf"{PREFIX}-(first-)?(\d{{3,}})")
_SET_NUMBER = re.compile(r"-\d{3,}$")


def is_ours(name: str) -> bool:
    """Return whether the name is that of a managed rule."""
    return _OURS.fullmatch(name) is not None


def is_first_rule(name: str) -> bool:
    """Return whether it is a managed rule that comes before all domain entries and has exact addresses only."""
    found = _OURS.fullmatch(name)
    return found is not None and found.group(1) is not None


def new_names(taken: Collection[str], *, first: bool, limits: RuleLimits) -> Iterator[str]:
    """Yield unused names, lowest number first, so that planning twice gives the same names.

    Raises Refused over the limit.
    """
    for number in count(1):
        name = f"{PREFIX}-{'first-' if first else ''}{number:03}"
        if len(name) > limits.name_length:
            raise Refused(f"Rule name {name} is longer than the {limits.name_length} characters that SES allows.")
        if name not in taken:
            yield name


def next_set_name(name: str, taken: Collection[str], limits: RuleLimits) -> str:
    """Return an unused name for the successor of a rule set: the same name with the next number."""
    found = _SET_NUMBER.search(name)
    start = int(found.group().lstrip("-")) + 1 if found else 2
    for number in count(start):
        ending = f"-{number:03}"
        made = _SET_NUMBER.sub("", name)[: limits.name_length - len(ending)].rstrip("-_.") + ending
        if made not in taken and made != name:
            return made
    raise AssertionError("numbers do not end")
