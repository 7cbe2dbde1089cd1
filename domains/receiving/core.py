"""Judges whether mail for a name arrives here, from the name's MX, the active receipt rules and the identity. Pure.

The MX record is requested last, and only while a rule would accept the mail. SES rejects mail that no rule matches,
returns it for a Bounce action, and loses it, without an error, if a rule stops before another one stores it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from domains.names.core import readable
from inbound_admin.lib.labels import Label, Labelled
from inbound_admin.lib.stored import StoredState


class MxFact(StoredState):
    """Where the name's MX points. UNSEEN: it pointed here at the last successful lookup, and the lookup fails now."""

    HERE = "here"
    SHARED = "shared"
    BEHIND = "behind"  # ours is published, but senders use another first, or a null MX
    ELSEWHERE = "elsewhere"
    MAIL_MANAGER = "mail_manager"  # an SES Mail Manager ingress endpoint, which is not managed here
    NOWHERE = "nowhere"
    UNSEEN = "unseen"
    UNKNOWN = "unknown"
    NOT_CHECKED = ""


class RulesFact(StoredState):
    """What the active rules do with mail for a name. NOTHING: no address there. UNSURE: a rule may stop the mail."""

    NOTHING = ""
    FOREIGN = "foreign"  # no address here, and an unmanaged rule receives the mail
    WAITING = "waiting"
    HELD = "held"  # a rollback removed it from the rules and was not released
    DROPPED = "dropped"  # a rule received its mail before, and someone else changed the rules: SES rejects it
    NOT_SET_UP = "not_set_up"
    HALTED = "halted"  # staff suspended receiving for the customer
    ENDING = "ending"  # the same, and the rules still have the address: SES hasn't applied it
    MUTED = "muted"  # the same, and another customer's subdomain catch-all above accepts the mail
    ACCEPTED = "accepted"  # that catch-all accepts the mail, and nobody gets it
    CAUGHT = "caught"  # no address here: the customer's own subdomain catch-all above receives the mail
    SPLIT = "split"  # a catch-all of subdomains that ended: another customer has proven one of them
    FILTERED = "filtered"  # IP filters in SES block all senders before any rule
    CARRIED = "carried"
    COPIED = "copied"
    ELSEWHERE = "elsewhere"
    BOUNCED = "bounced"
    STOPPED = "stopped"  # before any action stored the mail
    UNROUTED = "unrouted"  # stored, and no rule calls the function that delivers it
    TLS_ONLY = "tls_only"  # delivered, and its rule rejects mail that comes without TLS, which nobody requested
    UNSTORED = "unstored"  # it waits, and an unmanaged rule matches without storing: SES accepts the mail
    PARTLY = "partly"  # some addresses of a name work, others are stopped, bounced or caught by another rule
    UNSURE = "unsure"


class ReceivingState(StrEnum):
    LIVE = "live"
    COPIED = "copied"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    LOST = "lost"
    PARTLY_LOST = "partly_lost"
    TAKEN = "taken"
    UNDELIVERED = "undelivered"
    TLS_ONLY = "tls_only"
    MTA_STS = "mta_sts"
    FOREIGN = "foreign"
    PUBLISH_MX = "publish_mx"
    ADD_ADDRESS = "add_address"
    APPLYING = "applying"
    HELD = "held"  # only for an address or catch-all; its name is REJECTED or BLOCKED
    OFF = "off"  # only for an address or catch-all
    NOT_SET_UP = "not_set_up"
    BLOCKED = "blocked"
    UNVERIFIED = "unverified"
    SEND_ONLY = "send_only"
    UNAVAILABLE = "unavailable"
    NOT_CHECKED = "not_checked"
    COULD_NOT_TELL = "could_not_tell"


MX_POINTS_HERE = (MxFact.HERE, MxFact.SHARED, MxFact.UNSEEN)  # some mail arrives at SES, as far as we know
DELIVERED = (RulesFact.CARRIED, RulesFact.COPIED)
NOT_HERE = (RulesFact.NOTHING, RulesFact.ACCEPTED, RulesFact.CAUGHT)  # no address
HALTING = (RulesFact.HALTED, RulesFact.MUTED)
_ACCEPTING = (RulesFact.ACCEPTED, RulesFact.MUTED)
DEFECTIVE = (RulesFact.UNROUTED, RulesFact.TLS_ONLY)  # our rule stores the mail, though not as requested
_SETTLED = (ReceivingState.LIVE, ReceivingState.FOREIGN, ReceivingState.SEND_ONLY, ReceivingState.UNAVAILABLE)
_LABELS = {  # the most urgent first
    ReceivingState.LOST: ("Mail lost", "bad", "x-circle"),
    ReceivingState.PARTLY_LOST: ("Some mail lost", "bad", "x-circle"),
    ReceivingState.BOUNCED: ("Mail bounces", "bad", "x-circle"),
    ReceivingState.REJECTED: ("Mail rejected", "bad", "x-circle"),
    ReceivingState.HELD: ("Held by a rollback", "bad", "x-circle"),
    ReceivingState.UNDELIVERED: ("Not delivered", "bad", "x-circle"),
    ReceivingState.TAKEN: ("Caught by another rule", "bad", "x-circle"),
    ReceivingState.TLS_ONLY: ("Only with TLS", "bad", "x-circle"),
    ReceivingState.MTA_STS: ("Blocked by MTA-STS", "bad", "x-circle"),
    ReceivingState.COPIED: ("Copied elsewhere", "warn", "exclamation-triangle"),
    ReceivingState.BLOCKED: ("Blocked", "warn", "exclamation-triangle"),
    ReceivingState.PUBLISH_MX: ("MX record missing", "todo", "clock"),
    ReceivingState.COULD_NOT_TELL: ("Check failed", "mute", "question-mark-circle"),
    ReceivingState.NOT_SET_UP: ("Pending our team", "todo", "clock"),
    ReceivingState.APPLYING: ("Applying", "info", "signal"),
    ReceivingState.UNVERIFIED: ("Pending verification", "todo", "clock"),
    ReceivingState.ADD_ADDRESS: ("No address yet", "todo", "plus-circle"),
    ReceivingState.NOT_CHECKED: ("Not checked", "mute", "clock"),
    ReceivingState.FOREIGN: ("Managed elsewhere", "mute", "arrow-top-right-on-square"),
    ReceivingState.LIVE: ("Live", "good", "check-circle"),
    ReceivingState.SEND_ONLY: ("Send only", "mute", "paper-airplane"),
    ReceivingState.UNAVAILABLE: ("Not available", "mute", "no-symbol"),
    ReceivingState.OFF: ("Off", "mute", "pause"),
}
RED = tuple(state for state, (_, tone, _) in _LABELS.items() if tone == "bad")


@dataclass(frozen=True)
class ReceivingFacts:
    """Of a host name or, as "*.example.com", of every subdomain, or of the `recipient` there: address or catch-all."""

    name: str
    mx: MxFact = MxFact.NOT_CHECKED
    rules: RulesFact = RulesFact.NOTHING
    is_wanted: bool = True  # False: send only
    is_proven: bool = True  # False: nothing can be added for the name yet
    is_verified: bool = True  # SES receives mail only for verified identities
    can_receive: bool = True  # SES receives mail in this region
    is_elsewhere: bool = False  # staff recorded that its mail is received elsewhere
    has_parent: bool = False  # a subdomain, to which SES may apply its parent's verification
    is_unread: bool = False  # the rules were not read since the customer changed
    recipient: str = ""
    is_off: bool = False
    policy: str = ""  # why senders that follow its MTA-STS policy don't deliver here
    kept_by: str = "a subdomain catch-all above"  # what makes SES accept the mail that nobody gets

    @cached_property
    def display_name(self) -> str:
        return f"subdomains of {readable(self.name[2:])}" if self.name.startswith("*.") else readable(self.name)

    @cached_property
    def mail(self) -> str:
        return f"mail for {self.recipient or self.display_name}"

    @property
    def all_mail(self) -> str:
        return self.mail if self.recipient else f"all {self.mail}"


@dataclass(frozen=True)
class Receiving(Labelled):
    """The judgement of one name: its state, and a sentence that says what it means and what to do."""

    name: str
    state: ReceivingState
    sentence: str
    awaits_proof: bool = False  # no address can be added before
    has_rival: bool = False  # ours is published beside another MX

    @property
    def is_live(self) -> bool:
        return self.state is ReceivingState.LIVE

    @property
    def asks_for_address(self) -> bool:
        return self.state is ReceivingState.ADD_ADDRESS and not self.awaits_proof

    @property
    def is_red(self) -> bool:
        return self.state in RED

    @property
    def is_turned_off(self) -> bool:  # by our team, for the customer
        return self.sentence == _BLOCKED[RulesFact.HALTED]

    @property
    def is_settled(self) -> bool:  # nobody has to do anything
        return self.state in _SETTLED

    @property
    def waits_for_us(self) -> bool:  # for a run, or for our team, before the MX may be published
        return self.state in (ReceivingState.APPLYING, ReceivingState.NOT_SET_UP, ReceivingState.BLOCKED)

    @property
    def label(self) -> Label:
        is_beside = self.has_rival and self.state is ReceivingState.PUBLISH_MX
        return ("Conflicting MX record", "warn", "exclamation-triangle") if is_beside else _LABELS[self.state]


def requires_mx(facts: ReceivingFacts) -> bool:
    """Return True if the customer should publish or keep the MX: a rule receives the mail, or did until now."""
    may = facts.is_wanted and facts.is_verified and facts.can_receive
    return may and (facts.rules in DELIVERED or (facts.rules not in NOT_HERE and facts.mx in MX_POINTS_HERE))


def names_with_mx_here(found: Iterable[ReceivingFacts]) -> tuple[str, ...]:
    """Return the names whose MX points here, as far as we know. Change it first before you stop receiving."""
    return tuple(facts.name for facts in found if facts.mx in MX_POINTS_HERE)


def judge(facts: ReceivingFacts) -> Receiving:
    state, sentence = _state_and_sentence(facts)
    return Receiving(facts.name, state, sentence, not facts.is_proven, facts.mx in (MxFact.SHARED, MxFact.BEHIND))


def most_severe(found: Iterable[Receiving]) -> Receiving | None:
    """Return the most urgent one, None if there are none."""
    return min(found, key=lambda each: tuple(_LABELS).index(each.state), default=None)


def mx_fact(answers: Sequence[tuple[str, ...] | None], host: str, before: MxFact) -> MxFact:
    """Return where the MX points. `answers`: the values ("10 host") from each resolver, None for a failed lookup."""
    facts = [_mx_target(values, host) for values in answers if values is not None]
    if not facts:
        return MxFact.UNSEEN if before in MX_POINTS_HERE else (MxFact.UNKNOWN if answers else before)
    known = (MxFact.SHARED, MxFact.HERE, MxFact.BEHIND, MxFact.ELSEWHERE, MxFact.MAIL_MANAGER)
    return next((fact for fact in known if fact in facts), MxFact.NOWHERE)


def _mx_target(values: tuple[str, ...], host: str) -> MxFact:
    """Only hosts with the lowest preference number count, as for senders."""
    pairs = [(int(number), name.strip().rstrip(".").lower()) for number, _, name in (v.partition(" ") for v in values)]
    best = min((number for number, _ in pairs), default=0)
    first = {name for number, name in pairs if number == best}
    if host in first:
        return MxFact.HERE if first == {host} else MxFact.SHARED
    if any(name == host for _, name in pairs):
        return MxFact.BEHIND
    others = first - {"", "."}
    are_managers = bool(others) and all(map(is_mail_manager, others))
    return MxFact.MAIL_MANAGER if are_managers else MxFact.ELSEWHERE if others else MxFact.NOWHERE


def is_mail_manager(host: str) -> bool:
    """Return True for an ingress endpoint of SES Mail Manager, a separate way to receive with its own rules."""
    return host.rstrip(".").lower().endswith(".mail-manager-smtp.amazonaws.com")


_WHY_REJECTED = {
    RulesFact.NOTHING: "no address is on. Add one or turn one on",
    RulesFact.WAITING: "its addresses are still being set up",
    RulesFact.NOT_SET_UP: "inbound mail isn't set up in this region yet. Our team has been notified",
    RulesFact.HALTED: "our team has turned off inbound mail",
    RulesFact.SPLIT: "another account has proven one of the subdomains, and a receipt rule can't leave one out. Add "
    "the other subdomains as domains, or add their addresses. Our team has been notified",
    RulesFact.FILTERED: "an IP filter in SES blocks all senders. Our team has been notified",
}
_NOTIFIED = " Our team has been notified."
_LOST = "{Mail} is lost: SES accepts it, but because of another receipt rule nothing stores it. Senders get no bounce."
_BOUNCED = "{Mail} bounces: another receipt rule returns it to its senders. Our team has been notified."
_PARTLY = "Mail for some addresses at {name} doesn't arrive: another receipt rule stops, bounces or catches it."
_UNDELIVERED = "{Mail} is stored, but not delivered: the receipt rule doesn't call the function that delivers it."
_TLS_ONLY = "{Mail} arrives here only over TLS: SES rejects it from senders that don't encrypt."
_ACCEPTED = "SES accepts {all_mail} because of a subdomain catch-all above it, and nobody gets it"
_NOT_LIVE = {
    RulesFact.ACCEPTED: (ReceivingState.UNDELIVERED, f"{_ACCEPTED}: add an address or a catch-all."),
    RulesFact.MUTED: (ReceivingState.UNDELIVERED, f"{_ACCEPTED}: our team has turned off inbound mail."),
    RulesFact.ENDING: (ReceivingState.APPLYING, "Our team is turning off inbound mail. SES still accepts {mail}."),
    RulesFact.UNROUTED: (ReceivingState.UNDELIVERED, _UNDELIVERED + _NOTIFIED),
    RulesFact.TLS_ONLY: (ReceivingState.TLS_ONLY, _TLS_ONLY + _NOTIFIED),
    RulesFact.STOPPED: (ReceivingState.LOST, _LOST + _NOTIFIED),
    RulesFact.UNSTORED: (ReceivingState.LOST, _LOST + _NOTIFIED),
    RulesFact.BOUNCED: (ReceivingState.BOUNCED, _BOUNCED),
    RulesFact.PARTLY: (ReceivingState.PARTLY_LOST, _PARTLY + _NOTIFIED),
    RulesFact.FOREIGN: (ReceivingState.FOREIGN, "A receipt rule that isn't managed here receives {mail}."),
    RulesFact.ELSEWHERE: (ReceivingState.TAKEN, "Another receipt rule catches {mail}. Our team has been notified."),
    RulesFact.UNSURE: (ReceivingState.COULD_NOT_TELL, "Another receipt rule may stop {mail}. We can't tell."),
}
_YET = "Don't change the MX record yet."
_BLOCKED = {
    **dict.fromkeys(HALTING, "Our team has turned off inbound mail. Don't change the MX record."),
    RulesFact.ENDING: "Our team is turning off inbound mail. Don't change the MX record.",
    RulesFact.HELD: "Our team has rolled back the receipt rules for {name}. Don't change the MX record yet.",
    RulesFact.DROPPED: "{Mail} would be rejected, although it was set up. Our team has been notified.",
    **{fact: f"SES would reject {{mail}}: {_WHY_REJECTED[fact]}." for fact in (RulesFact.SPLIT, RulesFact.FILTERED)},
    RulesFact.BOUNCED: "Another receipt rule would bounce {mail}. Don't change the MX record yet.",
    RulesFact.STOPPED: "Another receipt rule would stop {mail}. Don't change the MX record yet.",
    RulesFact.ELSEWHERE: "Another receipt rule would catch {mail}. Don't change the MX record yet.",
    RulesFact.PARTLY: f"Another receipt rule would stop, bounce or catch mail for some addresses at {{name}}. {_YET}",
    RulesFact.UNSURE: "Another receipt rule may stop {mail}. Don't change the MX record yet.",
    RulesFact.UNROUTED: "{Mail} would be stored, but not delivered. Don't change the MX record yet.",
    RulesFact.TLS_ONLY: "SES would reject {mail} from senders without TLS. Don't change the MX record yet.",
}

_Case = tuple[bool, ReceivingState, str]  # whether it holds, and a sentence for `_format`


def _state_and_sentence(facts: ReceivingFacts) -> tuple[ReceivingState, str]:
    elsewhere = "Support has recorded that mail for {name} is received elsewhere."
    cases = (
        (not facts.can_receive, ReceivingState.UNAVAILABLE, "SES can't receive mail in this region."),
        (facts.is_elsewhere, ReceivingState.SEND_ONLY, elsewhere),
    )
    further = _mx_here_cases if facts.mx in (MxFact.HERE, MxFact.SHARED) else _mx_not_here_cases
    further = further if facts.is_wanted else _send_only
    state, sentence = _first((*cases, *further(facts)))
    return state, _format(sentence, facts)


def _first(cases: Iterable[_Case]) -> tuple[ReceivingState, str]:
    return next((state, sentence) for holds, state, sentence in cases if holds)


def _format(sentence: str, facts: ReceivingFacts) -> str:
    name, mail = facts.display_name, facts.mail
    return sentence.format(name=name, mail=mail, Mail=mail[0].upper() + mail[1:], all_mail=facts.all_mail)


_CAUGHT = "{Mail} arrives here, through the subdomain catch-all above it"
_SEND_ONLY = "it's set to send only, but its MX record points here. Point the MX record to your mail service, or turn "


def _send_only(facts: ReceivingFacts) -> tuple[_Case, ...]:
    """No rule names it. A subdomain catch-all above may still receive its mail, or another receipt rule."""
    here = replace(facts, mx=MxFact.HERE, policy="")
    (state, does), is_last = _first(_mx_here_cases(here)), facts.mx is MxFact.UNSEEN
    if state in (ReceivingState.REJECTED, ReceivingState.NOT_CHECKED):
        state, does = ReceivingState.REJECTED, "SES rejects all mail for {name}"
    elif facts.rules in (*DELIVERED, *_ACCEPTING):
        does = _CAUGHT if facts.rules in DELIVERED else _ACCEPTED
    state = ReceivingState.COULD_NOT_TELL if is_last and state not in RED else state
    why = f"{does.removesuffix('.')}: {_SEND_ONLY}on inbound mail for the domain.{_LAST_SEEN if is_last else ''}"
    only = "Send only. Mail for {name} isn't received here."
    return ((facts.mx in MX_POINTS_HERE, state, why), (True, ReceivingState.SEND_ONLY, only))


_UNVERIFIED = "SES rejects all mail for {name} until it has verified the domain"
_OR_PARENT = ", unless it has verified a parent domain"
_SOME = "SES rejects mail for some or all addresses at {name}"
_REMOVED = {
    RulesFact.HELD: f"{_SOME}: our team has rolled back the receipt rules.",
    RulesFact.DROPPED: f"{_SOME} now, although they were set up. Our team has been notified.",
}
_MANAGERS = "Mail for {name} goes to SES Mail Manager, which isn't managed here. Don't change the MX record."
_PART = "Only some of the mail for {name} arrives here, because another MX record has the same priority. Remove it."
_BEHIND = "Mail for {name} doesn't arrive here: another MX record comes before ours. Give ours the lowest number."
_GOES = {MxFact.ELSEWHERE: "goes to another mail service", MxFact.MAIL_MANAGER: "goes to SES Mail Manager"}


def _mx_here_cases(facts: ReceivingFacts) -> tuple[_Case, ...]:
    """Return the cases in which the MX points here."""
    rules, states = facts.rules, ReceivingState
    unread, why = rules is RulesFact.NOTHING and facts.is_unread, _WHY_REJECTED.get(rules, "")
    other, sentence = _NOT_LIVE.get(rules, (states.LIVE, ""))
    return (
        (unread, states.NOT_CHECKED, "The receipt rules haven't been checked for {name} yet."),
        (not facts.is_verified, states.REJECTED, f"{_UNVERIFIED}{_OR_PARENT if facts.has_parent else ''}."),
        (bool(why), states.REJECTED, f"SES rejects {{all_mail}}: {why}."),
        (rules in _REMOVED, states.REJECTED, _REMOVED.get(rules, "")),
        (bool(sentence), other, sentence),
        (facts.mx is MxFact.SHARED, states.PUBLISH_MX, _PART),
        (bool(facts.policy), states.MTA_STS, facts.policy),
        (rules is RulesFact.COPIED, states.COPIED, "{Mail} arrives here. Another receipt rule also receives a copy."),
        (True, states.LIVE, f"{_CAUGHT}." if rules is RulesFact.CAUGHT else "{Mail} arrives here."),
    )


_LAST_SEEN = " We couldn't look up the MX record; it pointed here at the last successful check."
_ADD = " Before that, list its host in the MTA-STS policy and change the id: senders that follow it don't deliver here."


def _mx_not_here_cases(facts: ReceivingFacts) -> tuple[_Case, ...]:
    """A failed MX lookup does not hide what SES is known to do with the mail."""
    failed, states = "We couldn't look up the MX record of {name}.", ReceivingState
    state, sentence = _first(_mx_here_cases(facts))
    return (
        (facts.mx is MxFact.UNSEEN and state in RED, state, f"{sentence}{_LAST_SEEN}"),
        (facts.mx is MxFact.UNSEEN, states.COULD_NOT_TELL, f"{failed} It pointed here at the last successful check."),
        (facts.mx is MxFact.UNKNOWN and facts.rules in DELIVERED, states.COULD_NOT_TELL, failed),
        *_mx_elsewhere_cases(facts),
    )


def _mx_elsewhere_cases(facts: ReceivingFacts) -> tuple[_Case, ...]:
    """Return the cases in which the MX does not point here: mail stays where it is until everything is ready."""
    rules, states = facts.rules, ReceivingState
    goes = _GOES.get(facts.mx, "doesn't arrive here")
    first = f"To receive mail for {{name}}, {'add an address' if facts.is_proven else 'verify ownership'} first."
    first += " The MX record comes last; your current mail isn't affected until then."
    region = "Inbound mail isn't set up in this region yet. Our team has been notified. Don't change the MX record yet."
    verified = "The addresses at {name} are ready. The MX record comes last, once SES has verified the domain."
    waits = "The addresses at {name} wait until SES has verified the domain. The MX record comes last."
    below = " A subdomain with DNS records needs its own MX record." if facts.name.startswith("*.") else ""
    ready = f"Mail for {{name}} {goes}. Publish the MX record to receive it here.{below}{_ADD if facts.policy else ''}"
    nothing = rules in (*NOT_HERE, RulesFact.FOREIGN)
    is_waiting = rules in (RulesFact.WAITING, RulesFact.UNSTORED)
    return (
        (nothing and facts.mx is MxFact.MAIL_MANAGER, states.FOREIGN, _MANAGERS),
        (nothing, states.ADD_ADDRESS, first),
        (rules in _BLOCKED, states.BLOCKED, _BLOCKED.get(rules, "")),
        (rules is RulesFact.NOT_SET_UP, states.NOT_SET_UP, region),
        (is_waiting and not facts.is_verified, states.UNVERIFIED, waits),
        (is_waiting, states.APPLYING, "We're setting up the addresses at {name}. The MX record comes after that."),
        (not facts.is_verified, states.UNVERIFIED, verified),
        (facts.mx is MxFact.NOT_CHECKED, states.NOT_CHECKED, "The MX record of {name} hasn't been checked yet."),
        (facts.mx is MxFact.BEHIND, states.PUBLISH_MX, _BEHIND),
        (True, states.PUBLISH_MX, ready),
    )
