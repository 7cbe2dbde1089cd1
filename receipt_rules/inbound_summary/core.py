"""Words what happens to a domain's mail, from what the live rules are known to do with each of its recipients. Pure.

An endpoint says nothing about whether mail arrives: only a recipient that a live rule contains goes to its endpoint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domains.receiving.core import DELIVERED, MxFact, RulesFact
from receipt_rules.planner.core.rules import RuleDelivery

MOST_NAMED = 3  # addresses that a sentence names one by one; more are counted
_ELSEWHERE = (MxFact.BEHIND, MxFact.ELSEWHERE, MxFact.MAIL_MANAGER, MxFact.NOWHERE)  # then SES has no mail to reject


@dataclass(frozen=True)
class Recipient:
    """An address or catch-all that is on. `is_covered`: a live catch-all receives its mail until its own rule does.

    `rules` is the stored fact. `endpoint` is "" for none; `is_changing`: a step of a run is changing its rule.
    """

    name: str
    rules: RulesFact
    mx: MxFact
    endpoint: str = ""
    is_off: bool = False
    is_covered: bool = False
    is_changing: bool = False

    @property
    def is_served(self) -> bool:
        return not self.is_changing and (self.rules in DELIVERED or self.is_covered)


@dataclass(frozen=True)
class _Fate:
    """What happens to mail: said of one address, of several, and of the mail of a catch-all."""

    one: str
    several: str
    mail: str


def _sentence(verb: str, verbs: str, rest: str = "") -> _Fate:
    return _Fate(f"{verb}{rest}", f"{verbs}{rest}", f"{verb}{rest}")


_WAITING = _Fate("isn't receiving yet", "aren't receiving yet", "isn't received yet")
_CHANGING = _Fate(
    "is changing: its receipt rule is being changed now",
    "are changing: their receipt rule is being changed now",
    "may be rejected: its receipt rule is being changed now",
)
_OTHERS = {
    RulesFact.HELD: _Fate("is held by a rollback", "are held by a rollback", "is held by a rollback"),
    RulesFact.DROPPED: _Fate(
        "was set up, but isn't receiving now",
        "were set up, but aren't receiving now",
        "was set up, but isn't received now",
    ),
    RulesFact.HALTED: _Fate(
        "isn't receiving: our team has turned off inbound mail",
        "aren't receiving: our team has turned off inbound mail",
        "isn't received: our team has turned off inbound mail",
    ),
    RulesFact.ENDING: _sentence("is", "are", " being turned off by our team: SES still accepts the mail"),
    RulesFact.SPLIT: _Fate(
        "isn't receiving: another account has proven one of the subdomains",
        "aren't receiving: another account has proven one of the subdomains",
        "isn't received: another account has proven one of the subdomains",
    ),
    RulesFact.FILTERED: _sentence("is", "are", " rejected: an IP filter in SES blocks all senders"),
    RulesFact.ELSEWHERE: _sentence("is", "are", " caught by another receipt rule"),
    RulesFact.BOUNCED: _sentence("bounces", "bounce", ": another receipt rule returns the mail"),
    RulesFact.STOPPED: _Fate(
        "loses mail: another receipt rule stops it",
        "lose mail: another receipt rule stops it",
        "is lost: another receipt rule stops it",
    ),
    RulesFact.UNROUTED: _sentence("is", "are", " stored, but not delivered"),
    RulesFact.TLS_ONLY: _Fate("receives mail only over TLS", "receive mail only over TLS", "is received only over TLS"),
    RulesFact.UNSURE: _Fate(
        "may lose mail: another receipt rule may stop it",
        "may lose mail: another receipt rule may stop it",
        "may be lost: another receipt rule may stop it",
    ),
}
_OTHERS[RulesFact.UNSTORED] = _OTHERS[RulesFact.STOPPED]
_OTHERS[RulesFact.MUTED] = _OTHERS[RulesFact.HALTED]


def summary(
    addresses: Sequence[Recipient],
    everything: Recipient | None,
    below: Recipient | None,
    *,
    domain: str,
    is_unread: bool = False,
    is_ending: bool = False,
    is_accepted: bool = False,
    above: Recipient | None = None,
    unmanaged: Sequence[RuleDelivery] = (),
) -> str:
    """`everything` and `below` are catch-alls that are on. `is_unread`: the last read of the rules failed.

    `is_ending`: the catch-all is off, and the live rules still contain it. `is_accepted`: another customer's subdomain
    catch-all accepts the mail; `above`: the customer's own does, and delivers it. `unmanaged`: what unmanaged rules do,
    in order, with mail for an address that isn't here.
    """
    parts = _parts(addresses, is_unread=is_unread)
    rest = "all other mail" if parts else f"All mail at {domain}"
    if everything:
        parts.append(f"{rest} {_fate(everything, is_unread=is_unread).mail}")
    elif is_ending:
        parts.append(f"{rest} is received until SES has turned the catch-all off")
    elif above and not unmanaged:
        parts.append(f"{rest} {_delivery(above).mail}, through the subdomain catch-all above")
    elif parts or unmanaged or is_accepted:
        parts.append(f"{rest} {_by_others(unmanaged, is_accepted=is_accepted)}")
    sentence = f"{'; '.join(parts)}." if parts else f"No mail is received at {domain} yet."
    return f"{sentence} Mail to its subdomains {_fate(below, is_unread=is_unread).mail}." if below else sentence


def _by_others(unmanaged: Sequence[RuleDelivery], *, is_accepted: bool) -> str:
    """Return what happens to mail that nobody has asked for: SES rejects it only if no rule at all applies."""
    if not unmanaged:
        nobodys = "is accepted because of a subdomain catch-all above, and nobody gets it"
        return nobodys if is_accepted else "is rejected"
    is_taken = False
    for delivery in unmanaged:
        if delivery.bounces:
            return "bounces: another receipt rule returns it"
        is_taken = is_taken or delivery.delivers
        if delivery.stops:
            break
    if is_taken:
        return "is caught by another receipt rule"
    return "is lost without a bounce: another receipt rule accepts it and stores nothing"


def _parts(addresses: Iterable[Recipient], *, is_unread: bool) -> list[str]:
    """One for each fate. What a live rule contains comes first."""
    groups: dict[_Fate, list[str]] = {}
    for each in sorted(addresses, key=lambda each: not each.is_served):
        groups.setdefault(_fate(each, is_unread=is_unread), []).append(each.name)
    return [f"{_named(names)} {fate.one if len(names) == 1 else fate.several}" for fate, names in groups.items()]


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{len(names):,} addresses"
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _fate(each: Recipient, *, is_unread: bool) -> _Fate:
    if each.is_changing:
        return _CHANGING
    if each.is_served:
        return _delivery(each)
    fate = _OTHERS.get(each.rules, _WAITING)
    if fate not in (_WAITING, _OTHERS[RulesFact.HELD], _OTHERS[RulesFact.DROPPED]) or each.mx in _ELSEWHERE:
        return fate
    verb = "SES may reject" if is_unread else "SES rejects"
    one, several, mail = (f": {verb} {whose}" for whose in ("its mail", "their mail", "it"))
    return _Fate(f"{fate.one}{one}", f"{fate.several}{several}", f"{fate.mail}{mail}")


def _delivery(each: Recipient) -> _Fate:
    if not each.endpoint:
        return _sentence("is", "are", " stored only (no endpoint)")
    return _sentence("goes", "go", f" to {each.endpoint}{', which is off' if each.is_off else ''}")
