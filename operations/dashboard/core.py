"""Builds the case page's summary of a domain: who acts next, and a reply to the customer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domains.checking.core.judgement import State
from domains.identity.core import Stage
from domains.ownership.core import TOO_LATE
from domains.zone_causes.core import ZoneCause
from inbound_admin.lib.moments import minute_in_utc
from tenants.status.core import TenantStatus

CUSTOMER, AUTOMATIC, STAFF, NONE = "The customer", "Amazon SES and DNS (automatic)", "Our team", "No one"
# SES keeps checking a verified domain whose records are gone for 72 hours before it revokes the verification.
KEPT_BY_SES = timedelta(hours=72)


@dataclass(frozen=True)
class RecordToFix:
    """A record that the customer has to publish or change. `found`: what DNS has instead; None: unknown.

    `typed_name`: what to enter as the name at the DNS host.
    """

    label: str
    type: str
    name: str
    value: str
    found: Sequence[str] | None = ()
    sentence: str = ""
    typed_name: str = ""
    priority: int | None = None

    @property
    def name_to_enter(self) -> str:
        """Return the name to enter: a DNS host that appends the domain would double a full name."""
        if not self.typed_name or self.typed_name == self.name:
            return self.name
        return f"{self.typed_name} (in full: {self.name})"

    @property
    def told(self) -> str:
        """Return what is wrong with it, with its label once."""
        if not self.sentence or self.sentence.startswith(self.label):
            return self.sentence or self.label
        return f"{self.label}: {self.sentence}"


@dataclass(frozen=True)
class SendingOff:
    """Why the customer can't send: `title`, `told` and `goes_on` as in their banner."""

    standing: str
    title: str
    told: str
    goes_on: str


@dataclass(frozen=True)
class CaseFacts:
    """`stopped`: SES stopped checking. `problem`: why the setup or deletion is delayed.

    `rejected`: the receiving status if mail doesn't arrive, `rejected_word` its label, `rejected_by_us`: a rule or our
    team is the cause. `lame`: the diagnosis of nameservers that don't answer, with what to do. `deadline`: until
    when SES keeps the domain. `awaits_diagnosis`: one is running, which may find what the records don't show. `off`:
    set if the customer's sending isn't on. `is_gone`: SES no longer has the identity. `cause`: of the zone as a whole.
    `is_correct`: all required records are.
    """

    domain: str
    stage: str
    state: State
    to_fix: Sequence[RecordToFix] = ()
    is_held: bool = False
    stopped: bool = False
    problem: str = ""
    rejected: str = ""
    rejected_word: str = ""
    rejected_by_us: bool = False
    lame: tuple[str, ...] = ()
    deadline: datetime | None = None
    awaits_diagnosis: bool = False
    off: SendingOff | None = None
    is_gone: bool = False
    cause: ZoneCause | None = None
    is_correct: bool = False


@dataclass(frozen=True)
class CaseSummary:
    """`wrong` and `who` are for staff, `reply` is for the customer; "" until the diagnosis ends."""

    wrong: str
    who: str
    reply: str


GREETING = "Hello,"
CLOSING = "If you have any questions, reply to this email."
NOTHING = "You don’t need to do anything."
RESTART = "When the records are fixed, press “Restart verification” on the domain’s page."
AUTOMATICALLY = "We check the records automatically. You don’t need to tell us when you’re done."

IN_ORDER = "All required records are verified"
IN_DNS = (State.VERIFIED, State.SPREADING)  # nothing to do about these records
_IN_ORDER: Mapping[State, tuple[str, str, tuple[str, ...]]] = {
    State.VERIFIED: (
        IN_ORDER,
        NONE,
        ("All required DNS records for {domain} are verified.", NOTHING),
    ),
    State.SPREADING: (
        "All records are published; verification is pending",
        AUTOMATIC,
        (
            "All DNS records for {domain} are published.",
            "DNS caches and Amazon SES may need some hours to see them.",
            NOTHING,
        ),
    ),
    State.COULD_NOT_CHECK: (
        "The last check failed, so the state of the records is unknown",
        STAFF,
        (
            "We couldn’t check the DNS records for {domain}, because its DNS host didn’t answer.",
            "We check again automatically.",
            "Please leave the records unchanged for now.",
        ),
    ),
    State.NOT_CHECKED: (
        "The records have not been checked yet",
        STAFF,
        ("We’re about to check the DNS records for {domain}.", NOTHING),
    ),
}


_UNSEEN_BY_SES = (
    "All required records are correct, but Amazon SES didn't find them; it checks again",
    AUTOMATIC,
    (
        "All required DNS records for {domain} are correct.",
        "Amazon SES didn’t find them when it last checked, and will check again automatically.",
        NOTHING,
    ),
)
# Who lifts it, and what to ask of the customer.
_LIFTED: Mapping[str, tuple[str, str]] = {
    TenantStatus.PAUSING: (CUSTOMER, "Reply to this email once the cause is fixed, and we’ll resume sending."),
    TenantStatus.PAUSED: (CUSTOMER, "Reply to this email once the cause is fixed, and we’ll resume sending."),
    TenantStatus.UNDONE: (CUSTOMER, "Reply to this email once the cause is fixed, and we’ll end the pause."),
    TenantStatus.RESUMING: (AUTOMATIC, "Sending resumes automatically when Amazon SES confirms it."),
    TenantStatus.SUSPENDED: (STAFF, "Only Amazon can lift a suspension. We’ll ask for you."),
}


_BY_AMAZON = (STAFF, "Only Amazon can lift it. Our team is resolving it.")  # of the whole account


def summary_of(facts: CaseFacts) -> CaseSummary:
    """A pause or suspension comes first, since it concerns all mail that the customer sends."""
    by_rows = _by_stage(facts) or _by_rejected_mail(facts)
    if by_rows is None and facts.awaits_diagnosis and facts.state in IN_DNS:
        wrong = "The required records are published. The diagnosis is running"
        return CaseSummary(_titled(facts, wrong), "Known when the diagnosis ends", "")
    wrong, who, text = by_rows or _by_zone(facts) or _by_nameserver(facts) or _by_state(facts)
    if facts.off:
        lifts, who_lifts = _LIFTED.get(facts.off.standing, _BY_AMAZON)
        who = lifts if who in (NONE, lifts) else f"{lifts} (sending); {who} (domain)"
        first = f"{facts.off.told} {who_lifts} {facts.off.goes_on}"
        text = f"{first}\n\n{text.replace(NOTHING, '').strip()}"
        wrong = facts.off.title if wrong == IN_ORDER else _titled(facts, wrong)
    return CaseSummary(wrong, who, "\n\n".join((GREETING, text, CLOSING)) + "\n")


def _titled(facts: CaseFacts, wrong: str) -> str:
    return f"{facts.off.title}. {wrong}" if facts.off else wrong


def _by_stage(facts: CaseFacts) -> tuple[str, str, str] | None:
    """Return what matters more than the state of the records; None if nothing does."""
    name = facts.domain
    if facts.stage == Stage.DELETING:
        return "Being deleted", AUTOMATIC, f"{name} is being deleted. {NOTHING}"
    if facts.is_held:
        sentence = f"Our team paused the checks of {name}. We’ll contact you when we resume them."
        return "On hold: checks are paused", STAFF, sentence
    if facts.problem:
        return _delayed(facts)
    if facts.stage == Stage.STARTING:
        sentence = f"We’re setting up {name} in Amazon SES. Its DNS records will appear in a few minutes."
        return "Being set up in SES", AUTOMATIC, sentence
    if facts.stage == Stage.CLAIM:
        first = f"To prove that you own {name}, please publish this DNS record at your DNS host:"
        return "Ownership is not proven", CUSTOMER, _with_records(first, facts.to_fix)
    return None


def _delayed(facts: CaseFacts) -> tuple[str, str, str]:
    if facts.stage == Stage.CLAIM and facts.problem == TOO_LATE:
        sentence = f"{facts.problem} If it's right, remove {facts.domain} from your list."
        return "Another account has proven ownership", CUSTOMER, sentence
    sentence = f"The setup of {facts.domain} is delayed on our side. We retry automatically. {NOTHING}"
    return f"Setup is delayed. {facts.problem}", STAFF, sentence


LEAVE_MX = "Please leave the MX record."
_NOT_HERE = "Mail for {domain} doesn’t arrive."
_BY_US = {
    "Mail rejected": "Amazon SES rejects mail for {domain}.",
    "Mail bounces": "Amazon SES bounces mail for {domain}.",
    "Mail lost": "Amazon SES accepts mail for {domain}, but it isn’t stored. Senders get no bounce.",
    "Some mail lost": "Mail for some addresses at {domain} doesn’t arrive.",
}


def _by_rejected_mail(facts: CaseFacts) -> tuple[str, str, str] | None:
    """Return why mail doesn't arrive, if the records don't show it."""
    if facts.rejected:
        wrong = facts.rejected_word
        ours = f"{_BY_US.get(wrong, _NOT_HERE).format(domain=facts.domain)} We’re working on it. {LEAVE_MX}"
        sentence = ours if facts.rejected_by_us else facts.rejected
        of_dns = _by_zone(facts) or (_by_state(facts) if facts.to_fix else None)
        records = f"\n\n{of_dns[2]}" if of_dns else ""
        return wrong, STAFF if facts.rejected_by_us else CUSTOMER, f"{sentence}{records}"
    return None


def _by_zone(facts: CaseFacts) -> tuple[str, str, str] | None:
    """Return what is wrong with the zone as a whole. Unless it only moved, no record is to be published before that."""
    if facts.cause is None:
        return None
    records = facts.to_fix if facts.cause.asks_to_publish else ()
    lost = f"{facts.domain} was verified. {_until(facts)}" if facts.deadline else ""
    return facts.cause.sentence.partition("\n")[0], CUSTOMER, _with_records(f"{lost}{facts.cause.sentence}", records)


def _by_nameserver(facts: CaseFacts) -> tuple[str, str, str] | None:
    if not facts.lame or facts.state not in (*IN_DNS, State.COULD_NOT_CHECK):
        return None
    published = f"The DNS records for {facts.domain} are published." if facts.state in IN_DNS else ""
    return facts.lame[0], CUSTOMER, "\n\n".join(filter(None, ("\n".join(facts.lame), published)))


def _by_state(facts: CaseFacts) -> tuple[str, str, str]:
    number = len(facts.to_fix)
    if facts.state in _IN_ORDER and not (facts.stopped and number):
        wrong, who, sentences = _IN_ORDER[facts.state]
        return wrong, who, " ".join(sentences).format(domain=facts.domain)
    if not number:
        return _without_records(facts)
    wrong_now = sum(bool(record.found) for record in facts.to_fix)
    verb = "publish" if not wrong_now else "correct" if wrong_now == number else "publish or correct"
    these = "this DNS record" if number == 1 else f"these {number} DNS records"
    first = f"Please {verb} {these} for {facts.domain} at your DNS host, exactly as shown:"
    if facts.state is State.AT_RISK:
        first = f"{facts.domain} was verified, but a record has changed since. {_until(facts)}{first}"
    if facts.stopped:
        first = f"Amazon SES has stopped checking {facts.domain}. {RESTART} {first}"
    wrong = f"{number} required record{'' if number == 1 else 's'} missing or incorrect"
    return wrong, CUSTOMER, _with_records(first, facts.to_fix)


def _until(facts: CaseFacts) -> str:
    if not facts.deadline:
        return ""
    at = minute_in_utc(facts.deadline)
    return f"Amazon SES keeps it until about {at}; after that you have to set it up again. "


def _without_records(facts: CaseFacts) -> tuple[str, str, str]:
    """For a domain with problems, but without a required record that is known to be missing or incorrect."""
    if facts.is_gone:
        sentence = f"Amazon SES no longer has {facts.domain}. Please press “Restart verification” on the domain’s page."
        return "SES no longer has the identity; its records are correct", CUSTOMER, sentence
    if facts.is_correct and not facts.stopped and facts.state in (State.WRONG, State.AT_RISK):  # only SES is behind
        wrong, who, sentences = _IN_ORDER[State.SPREADING] if facts.state is State.WRONG else _UNSEEN_BY_SES
        return wrong, who, " ".join(sentences).format(domain=facts.domain)
    if facts.state is State.WAITING:
        sentence = f"{facts.domain} isn’t verified yet. We check its DNS records automatically."
        return "Not verified yet; no required record is known to be missing", AUTOMATIC, sentence
    sentence = f"We found a problem with {facts.domain} and are looking into it. We’ll write to you when we know more."
    return "A problem that is not in a required record: see the diagnosis", STAFF, sentence


def _with_records(first: str, records: Sequence[RecordToFix]) -> str:
    return "\n\n".join((first, *(_lines(n, record) for n, record in enumerate(records, 1)), AUTOMATICALLY))


def _lines(number: int, record: RecordToFix) -> str:
    lines = [
        f"{number}. {record.label}",
        f"   Type: {record.type}",
        f"   Name: {record.name_to_enter}",
        *([] if record.priority is None else [f"   Priority: {record.priority}"]),
        f"   Value: {record.value}",
    ]
    lines += [] if record.found is None else [f"   Currently: {', '.join(record.found) or 'not found'}"]
    return "\n".join(lines + ([f"   {record.sentence}"] if record.sentence else []))
