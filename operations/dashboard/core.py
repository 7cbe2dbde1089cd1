"""What the case page says about a domain's state: who acts next, and a reply to the customer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domains.checking.core.judgement import State

CUSTOMER, AUTOMATIC, STAFF, NONE = "The customer", "Amazon SES and DNS (automatic)", "Our team", "No one"
CLAIM, STARTING, READY, DELETING = "claim", "starting", "ready", "deleting"  # `Stage`


@dataclass(frozen=True)
class RecordToFix:
    """A record that the customer has to publish or change; `found` is what DNS has instead, None: unknown."""

    label: str
    type: str
    name: str
    value: str
    found: Sequence[str] | None = ()
    sentence: str = ""

    @property
    def told(self) -> str:
        """What is wrong with it, with its label once."""
        if not self.sentence or self.sentence.startswith(self.label):
            return self.sentence or self.label
        return f"{self.label}: {self.sentence}"


@dataclass(frozen=True)
class CaseFacts:
    """`stopped`: SES stopped checking. `problem`: why the setup or deletion is delayed."""

    domain: str
    stage: str
    state: State
    to_fix: Sequence[RecordToFix] = ()
    is_held: bool = False
    stopped: bool = False
    problem: str = ""


@dataclass(frozen=True)
class CaseSummary:
    """`wrong` and `who` are for staff, `reply` is for the customer."""

    wrong: str
    who: str
    reply: str


GREETING = "Hello,"
CLOSING = "If you have any questions, reply to this email."
NOTHING = "You don’t need to do anything."
AUTOMATICALLY = "We check the records automatically. You don’t need to tell us when you’re done."

_IN_ORDER: Mapping[State, tuple[str, str, tuple[str, ...]]] = {
    State.VERIFIED: (
        "All required records are verified",
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


def summary_of(facts: CaseFacts) -> CaseSummary:
    wrong, who, text = _by_stage(facts) or _by_state(facts)
    return CaseSummary(wrong, who, "\n\n".join((GREETING, text, CLOSING)) + "\n")


def _by_stage(facts: CaseFacts) -> tuple[str, str, str] | None:
    """What matters more than the state of the records."""
    name = facts.domain
    if facts.stage == DELETING:
        return "Being deleted", AUTOMATIC, f"{name} is being deleted. {NOTHING}"
    if facts.is_held:
        said = f"Our team paused the checks of {name}. We’ll contact you when we resume them."
        return "On hold: checks are paused", STAFF, said
    if facts.problem:
        said = f"The setup of {name} is delayed on our side. We retry automatically. {NOTHING}"
        return f"Setup is delayed. {facts.problem}", STAFF, said
    if facts.stage == STARTING:
        said = f"We’re setting up {name} in Amazon SES. Its DNS records will appear in a few minutes."
        return "Being set up in SES", AUTOMATIC, said
    if facts.stage == CLAIM:
        first = f"To prove that you own {name}, please publish this DNS record at your DNS host:"
        return "Ownership is not proven", CUSTOMER, _with_records(first, facts.to_fix)
    return None


def _by_state(facts: CaseFacts) -> tuple[str, str, str]:
    number = len(facts.to_fix)
    if facts.state in _IN_ORDER and not (facts.stopped and number):
        wrong, who, sentences = _IN_ORDER[facts.state]
        return wrong, who, " ".join(sentences).format(domain=facts.domain)
    if not number:
        return _without_records(facts)
    these = "this DNS record" if number == 1 else f"these {number} DNS records"
    first = f"Please publish {these} for {facts.domain} at your DNS host, exactly as shown:"
    if facts.state is State.AT_RISK:
        first = f"{facts.domain} was verified, but a record has changed since. {first}"
    if facts.stopped:
        first += " Amazon SES has stopped checking. We restart the verification when the records are fixed."
    wrong = f"{number} required record{'' if number == 1 else 's'} missing or incorrect"
    return wrong, CUSTOMER, _with_records(first, facts.to_fix)


def _without_records(facts: CaseFacts) -> tuple[str, str, str]:
    """Not in order, and no required record is known to be missing or incorrect: nothing is said about records."""
    if facts.state is State.WAITING:
        said = f"{facts.domain} isn’t verified yet. We check its DNS records automatically."
        return "Not verified yet; no required record is known to be missing", AUTOMATIC, said
    said = f"We found a problem with {facts.domain} and are looking into it. We’ll write to you when we know more."
    return "A problem that is not in a required record: see the diagnosis", STAFF, said


def _with_records(first: str, records: Sequence[RecordToFix]) -> str:
    return "\n\n".join((first, *(_lines(n, record) for n, record in enumerate(records, 1)), AUTOMATICALLY))


def _lines(number: int, record: RecordToFix) -> str:
    lines = [
        f"{number}. {record.label}",
        f"   Type: {record.type}",
        f"   Name: {record.name}",
        f"   Value: {record.value}",
    ]
    lines += [] if record.found is None else [f"   Currently: {', '.join(record.found) or 'not found'}"]
    return "\n".join(lines + ([f"   {record.sentence}"] if record.sentence else []))
