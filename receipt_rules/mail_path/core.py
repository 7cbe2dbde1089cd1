"""The path of mail as hops: sender, MX record, receipt rule, storage, endpoint. Pure.

Hops show the facts behind a `Receiving`. They don't decide whether mail is rejected; `Receiving` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domains.receiving.core import (
    DEFECTIVE,
    DELIVERED,
    MX_POINTS_HERE,
    MxFact,
    Receiving,
    ReceivingFacts,
    ReceivingState,
    RulesFact,
)
from inbound_admin.lib.labels import Label, Labelled


class HopState(StrEnum):
    """NONE: mail doesn't get this far, or nothing is set up. STORED: kept, and not delivered by choice."""

    OK = "ok"
    WARNING = "warning"
    PENDING = "pending"
    STOPPED = "stopped"
    UNDELIVERED = "undelivered"
    UNCONFIRMED = "unconfirmed"
    STORED = "stored_only"
    UNKNOWN = "unknown"
    NONE = "none"


_LABELS = {
    HopState.OK: ("OK", "good", "check-circle"),
    HopState.WARNING: ("Warning", "warn", "exclamation-triangle"),
    HopState.PENDING: ("Pending", "todo", "clock"),
    HopState.STOPPED: ("Mail stops here", "bad", "x-circle"),
    HopState.UNDELIVERED: ("Not delivered", "bad", "x-circle"),
    HopState.UNCONFIRMED: ("Waiting for confirmation", "warn", "clock"),
    HopState.STORED: ("Stored only", "warn", "archive-box"),
    HopState.UNKNOWN: ("Unknown", "mute", "question-mark-circle"),
    HopState.NONE: ("Not reached", "mute", "minus-circle"),
}


@dataclass(frozen=True)
class Hop(Labelled):
    """One stop on the path: `name` is its kind, `sentence` its state. `key` selects the page's icon."""

    key: str
    name: str
    state: HopState
    sentence: str

    @property
    def label(self) -> Label:
        return _LABELS[self.state]


@dataclass(frozen=True)
class End(Labelled):
    """An endpoint on the path. `name` is "" for stored-only mail; `waits`: a recipient hasn't confirmed.

    `is_kept`: this deployment forwards no mail. `state` decides whether mail that arrives is delivered, for the path,
    an address's status and the API.
    """

    name: str = ""
    kind: str = ""
    is_off: bool = False
    waits: bool = False
    is_failing: bool = False
    is_kept: bool = False
    is_loop: bool = False  # it forwards the mail back to the addresses that it gets it from
    is_chain: bool = False  # it forwards the mail to addresses that forward it on, which isn't done twice

    @property
    def state(self) -> HopState:
        if not self.name or self.is_off or self.is_kept:
            return HopState.STORED
        if self.is_failing or self.is_loop or self.is_chain:
            return HopState.UNDELIVERED
        return HopState.UNCONFIRMED if self.waits else HopState.OK

    @property
    def is_delivered(self) -> bool:
        return self.state is HopState.OK

    @property
    def label(self) -> Label:
        return _LABELS[self.state]

    @property
    def description(self) -> str:
        if not self.name:
            return "Stored only (no endpoint)"
        if self.is_off:
            return f"{self.name} is off. Mail is stored only"
        if self.is_kept:
            return f"{self.name} gets no mail: this deployment doesn't forward mail. Mail is stored only"
        if self.is_loop:
            why = "forwards the mail back to its own address. Mail is stored only"
        elif self.is_chain:
            why = (
                "forwards to an address that forwards mail too, and no message is forwarded twice. Mail is stored only"
            )
        elif self.waits:
            why = "is waiting for confirmation. Mail is stored until then"
        else:
            why = "isn't accepting mail" if self.is_failing else f"({self.kind})"
        return f"{self.name} {why}"


_MX = {
    MxFact.HERE: (HopState.OK, "Points to SES"),
    MxFact.SHARED: (HopState.WARNING, "Another MX record has the same priority, so only some mail arrives"),
    MxFact.BEHIND: (HopState.WARNING, "Senders use another MX record before ours"),
    MxFact.ELSEWHERE: (HopState.PENDING, "Points to another mail service"),
    MxFact.MAIL_MANAGER: (HopState.PENDING, "Points to SES Mail Manager"),
    MxFact.NOWHERE: (HopState.PENDING, "No MX record"),
    MxFact.UNSEEN: (HopState.UNKNOWN, "Last lookup failed. It pointed to SES before"),
    MxFact.UNKNOWN: (HopState.UNKNOWN, "Last lookup failed"),
    MxFact.NOT_CHECKED: (HopState.UNKNOWN, "Not checked yet"),
}
_BLOCKED = (HopState.WARNING, "Points to SES, but senders that follow an MTA-STS policy don't deliver there")
_RULES = {
    RulesFact.NOTHING: "No address or catch-all yet",
    RulesFact.FOREIGN: "An unmanaged rule receives the mail",
    RulesFact.WAITING: "Being set up",
    RulesFact.HELD: "Our team has rolled back the receipt rules",
    RulesFact.DROPPED: "SES rejects the mail now, although it was set up",
    RulesFact.NOT_SET_UP: "Inbound mail isn't set up in this region yet",
    RulesFact.HALTED: "Our team has turned off inbound mail",
    RulesFact.ENDING: "Our team is turning off inbound mail. SES still accepts it",
    RulesFact.MUTED: "Our team has turned off inbound mail. A subdomain catch-all above accepts the mail",
    RulesFact.ACCEPTED: "{kept_by} accepts the mail, and nobody gets it",
    RulesFact.CAUGHT: "Delivers the mail through a subdomain catch-all above",
    RulesFact.SPLIT: "Another account has proven one of the subdomains",
    RulesFact.FILTERED: "An IP filter in SES blocks all senders",
    RulesFact.CARRIED: "Delivers the mail",
    RulesFact.COPIED: "Delivers the mail. Another rule receives a copy",
    RulesFact.ELSEWHERE: "Another rule catches the mail",
    RulesFact.BOUNCED: "Another rule bounces the mail",
    RulesFact.STOPPED: "Another rule stops the mail",
    RulesFact.UNROUTED: "Stores the mail, but doesn't call the function that delivers it",
    RulesFact.TLS_ONLY: "Rejects mail that comes without TLS",
    RulesFact.UNSTORED: "Not in the receipt rules yet, and another rule matches without storing the mail",
    RulesFact.PARTLY: "Another rule stops, bounces or catches the mail of some addresses",
    RulesFact.UNSURE: "Another rule may stop the mail",
}


def mail_path(
    facts: ReceivingFacts, receiving: Receiving, ends: Sequence[End], *, is_unreadable: bool = False
) -> tuple[Hop, ...]:
    """Return the five hops of mail. `receiving` is the judgement of `facts`; no `ends` if nothing receives.

    `is_unreadable`: the function can't read what is stored.
    """
    is_kept = facts.is_verified and facts.rules in (RulesFact.ACCEPTED, RulesFact.MUTED)
    is_stored = facts.is_verified and facts.rules in (*DELIVERED, *DEFECTIVE, RulesFact.CAUGHT, RulesFact.PARTLY)
    is_routed = is_stored and facts.rules is not RulesFact.UNROUTED and not is_unreadable
    is_stopped = receiving.is_red and facts.mx in MX_POINTS_HERE
    is_blocked = receiving.state is ReceivingState.MTA_STS and facts.mx is MxFact.HERE
    return (
        Hop("sender", "Sender", HopState.NONE, "Queries the MX record"),
        Hop("mx", "MX record", *(_BLOCKED if is_blocked else _MX[facts.mx])),
        _rule(facts, is_stopped=is_stopped),
        _KEPT
        if is_kept
        else _storage(is_stored=is_stored, is_routed=is_routed, is_stopped=is_stopped, is_unreadable=is_unreadable),
        _OFF if facts.is_off else _end(ends, is_reached=is_routed or facts.rules is RulesFact.UNSURE),
    )


_KEPT = Hop("store", "Storage", HopState.STORED, "Keeps the mail. Nobody gets it")
_OFF = Hop("end", "Endpoint", HopState.NONE, "The address is off")


def _storage(*, is_stored: bool, is_routed: bool, is_stopped: bool, is_unreadable: bool) -> Hop:
    if is_stored and is_unreadable:
        return Hop("store", "Storage", HopState.STOPPED, "Stored mail can't be read now. Our team has been notified")
    if is_stored and not is_routed:
        state = HopState.STOPPED if is_stopped else HopState.WARNING
        return Hop("store", "Storage", state, "Keeps the mail. Our function isn't called to deliver it")
    state, sentence = (HopState.OK, "Stores and routes the mail") if is_stored else (HopState.NONE, "No mail yet")
    return Hop("store", "Storage", state, sentence)


def _rule(facts: ReceivingFacts, *, is_stopped: bool) -> Hop:
    name, sentence = "SES receipt rule", _RULES[facts.rules].format(kept_by=_capitalized(facts.kept_by))
    if facts.is_off and facts.rules is RulesFact.NOTHING:
        return Hop("rule", name, HopState.NONE, "The address is off: no rule contains it")
    if not facts.is_verified:
        sentence = "SES hasn't verified the domain yet"
    elif facts.rules in (*DELIVERED, *DEFECTIVE, RulesFact.CAUGHT):
        is_good = facts.rules in (RulesFact.CARRIED, RulesFact.CAUGHT)
        return Hop("rule", name, HopState.OK if is_good else HopState.WARNING, sentence)
    if facts.rules is RulesFact.UNSURE and facts.is_verified:
        return Hop("rule", name, HopState.UNKNOWN, sentence)
    return Hop("rule", name, HopState.STOPPED if is_stopped else HopState.PENDING, sentence)


def _capitalized(text: str) -> str:
    return text if "@" in text else f"{text[:1].upper()}{text[1:]}"


_WORST = (HopState.UNDELIVERED, HopState.STORED, HopState.UNCONFIRMED, HopState.OK)
MOST_NAMED = 3


def worst_first(ends: Iterable[End]) -> list[End]:
    return sorted(ends, key=lambda end: _WORST.index(end.state))


def _end(ends: Sequence[End], *, is_reached: bool) -> Hop:
    """Return one hop with the worst state of all ends, naming up to three. Mail that isn't stored reaches none."""
    if not ends:
        return Hop("end", "Endpoint", HopState.NONE, "No address or catch-all yet")
    listed = worst_first(ends)
    named = (end.description if is_reached else end.name or "No endpoint" for end in listed[:MOST_NAMED])
    sentence = ". ".join(named)
    more = f", and {len(ends) - MOST_NAMED} more" if len(ends) > MOST_NAMED else ""
    state = listed[0].state if is_reached else HopState.NONE
    return Hop("end", "Endpoint" if len(ends) == 1 else "Endpoints", state, f"{sentence}{more}")
