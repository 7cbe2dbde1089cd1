"""How far a test message has come, stage by stage, each with its time or with where it stopped. Pure.

Of a domain that is sent one by the clock: when the next is due, and what the last one proves.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zlib import crc32

HEADER = "X-Inbound-Admin-Probe"  # receiving/events.py reads it
GIVEN_UP = timedelta(minutes=5)  # after it was sent, without a report: SES and the function take seconds


class StageState(StrEnum):
    DONE = "done"
    WAITING = "waiting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"
    STORED = "stored_only"  # as wanted: there is no endpoint to deliver it to


@dataclass(frozen=True)
class ProbeFacts:
    """What is known of a test message. `mx_leads_here` None: unknown at the last check.

    `foreseen`: why the rules, as last read, keep it from being stored ("stopped by rule x"), and `foreseen_at` at which
    stage. `bound`: how long after it was sent we wait for the function's report.
    """

    asked_at: datetime
    mx_leads_here: bool | None = None
    mx_seen_at: datetime | None = None
    sent_at: datetime | None = None
    send_problem: str = ""
    received_at: datetime | None = None
    handled_at: datetime | None = None
    outcome: str = ""
    problem: str = ""
    foreseen: str = ""
    foreseen_at: str = ""
    bound: timedelta = GIVEN_UP

    def is_late(self, now: datetime) -> bool:
        """Whether the report should have come."""
        return not self.handled_at and now - (self.sent_at or self.asked_at) > self.bound


@dataclass(frozen=True)
class ProbeStage:
    """`at` is never before the message was asked for."""

    name: str
    state: StageState
    at: datetime | None = None
    sentence: str = ""


@dataclass(frozen=True)
class ProbeWord:
    """The verdict in the list and above the stages; `sentence` is "" where the stages say all."""

    word: str
    tone: str
    icon: str
    sentence: str = ""


MX_BEFORE = "It pointed to SES at our last DNS check, before this message was requested."
NOT_SENT = "It hasn't been sent yet."
EXPECTED = "We don't expect it to arrive: by the rules as last read, it's {why}."
NO_MX = "The MX record didn't point to SES at our last check. Publish it first."
UNKNOWN_MX = "Our last check couldn't tell where the MX record points."
LATE = (
    "The function hasn't reported the message. Check the MX record, the rules in the simulator, and on the "
    "Setup page whether SES can write to the bucket and invoke the function."
)
OUTCOMES = {
    "failed": "The endpoint didn't accept it. We'll retry.",
    "waiting": "The endpoint forwards to someone who hasn't confirmed yet.",
    "held": "It's kept, and isn't retried.",
    "unrouted": "It was received and is kept, but not delivered: this address has no active endpoint.",
}


ENDED = ("delivered", "unrouted")  # nothing is tried again


_OF_OUTCOME = {
    "delivered": ProbeWord("Delivered", "good", "check-circle"),
    "unrouted": ProbeWord("Stored only", "warn", "archive-box"),
}
_NOT_DELIVERED = ProbeWord("Not delivered", "warn", "exclamation-triangle")


def probe_word(facts: ProbeFacts, now: datetime) -> ProbeWord:
    if facts.outcome:
        return _OF_OUTCOME.get(facts.outcome, _NOT_DELIVERED)
    if facts.send_problem:
        return ProbeWord("Rejected", "bad", "x-circle")
    if not facts.is_late(now):
        expected = EXPECTED.format(why=facts.foreseen) if facts.foreseen else ""
        return ProbeWord("Pending", "todo", "clock", expected)
    if facts.sent_at is None:
        return ProbeWord("Not sent", "bad", "x-circle", NOT_SENT)
    return ProbeWord("Not received", "bad", "x-circle", _not_received(facts))


def _not_received(facts: ProbeFacts) -> str:
    minutes = max(1, round(facts.bound.total_seconds() / 60))
    within = f"Not received within {minutes} minute{'' if minutes == 1 else 's'}"
    return f"{within}: {facts.foreseen}." if facts.foreseen else f"{within}."


def stages(facts: ProbeFacts, now: datetime) -> tuple[ProbeStage, ...]:
    """MX seen, accepted, rule, stored, handler, delivered. The function's report proves the four in the middle."""
    found = (_mx(facts), *_through_ses(facts, now), _delivered(facts))
    stops = [number for number, stage in enumerate(found) if stage.state is StageState.STOPPED]
    if not stops or not (is_over(facts, now) or facts.outcome):
        return found
    return tuple(_behind(stage) if number > stops[0] else stage for number, stage in enumerate(found))


def _behind(stage: ProbeStage) -> ProbeStage:
    """It stops at one stage alone; what was learned further on stays told."""
    return stage if stage.state is StageState.DONE else replace(stage, state=StageState.NOT_REACHED)


def is_over(facts: ProbeFacts, now: datetime) -> bool:
    """Whether looking again would show nothing new soon."""
    is_old = now - (facts.sent_at or facts.asked_at) > facts.bound
    return facts.outcome in ENDED or bool(facts.send_problem) or is_old


def _mx(facts: ProbeFacts) -> ProbeStage:
    """Mail that arrived has found its way, whatever our last look said."""
    seen = facts.mx_seen_at if facts.mx_seen_at and facts.mx_seen_at >= facts.asked_at else None
    if facts.handled_at:
        return ProbeStage("MX seen", StageState.DONE, seen or _after(facts.received_at, facts))
    if facts.mx_leads_here:
        return ProbeStage("MX seen", StageState.DONE, seen, "" if seen else MX_BEFORE)
    if facts.mx_leads_here is None:
        return ProbeStage("MX seen", StageState.UNKNOWN, seen, UNKNOWN_MX)
    return ProbeStage("MX seen", StageState.STOPPED, seen, NO_MX)


def _after(at: datetime | None, facts: ProbeFacts) -> datetime | None:
    """Two clocks differ: nothing happens to a message before it is asked for."""
    return max(at, facts.asked_at) if at else None


def _through_ses(facts: ProbeFacts, now: datetime) -> tuple[ProbeStage, ...]:
    names = ("Accepted", "Rule", "Stored", "Handler")
    if facts.handled_at:
        passed = tuple(ProbeStage(name, StageState.DONE, _after(facts.received_at, facts)) for name in names[:3])
        return (*passed, ProbeStage("Handler", StageState.DONE, _after(facts.handled_at, facts)))
    if facts.send_problem:
        return _stopped_at("Accepted", facts.send_problem, facts.sent_at)
    if not facts.is_late(now):
        return tuple(ProbeStage(name, StageState.WAITING) for name in names)
    if facts.sent_at is None:
        return _stopped_at("Accepted", NOT_SENT)
    if facts.foreseen:
        return _stopped_at(facts.foreseen_at, _not_received(facts))
    return _stopped_at("Handler", f"{_not_received(facts)} {LATE}")


def _stopped_at(name: str, sentence: str, at: datetime | None = None) -> tuple[ProbeStage, ...]:
    """Of what is before and behind it nothing is known."""
    return tuple(
        ProbeStage(each, StageState.STOPPED, at, sentence) if each == name else ProbeStage(each, StageState.UNKNOWN)
        for each in ("Accepted", "Rule", "Stored", "Handler")
    )


def _delivered(facts: ProbeFacts) -> ProbeStage:
    if facts.outcome == "delivered":
        return ProbeStage("Delivered", StageState.DONE, _after(facts.handled_at, facts))
    if facts.outcome:
        said = f"{OUTCOMES.get(facts.outcome, '')} {facts.problem}".strip()
        state = StageState.STORED if facts.outcome == "unrouted" else StageState.STOPPED
        return ProbeStage("Delivered", state, _after(facts.handled_at, facts), said)
    stopped = bool(facts.send_problem)
    return ProbeStage("Delivered", StageState.UNKNOWN if stopped else StageState.WAITING)


OFF = "off"
HOUR = timedelta(hours=1)


class ProbePace(StrEnum):
    DAILY = "daily"
    HOURLY = "hourly"

    @property
    def every(self) -> timedelta:
        return HOUR if self is ProbePace.HOURLY else timedelta(days=1)


class ProbeVerdict(StrEnum):
    """Of the last message. COULD_NOT_TELL: it proves neither that mail arrives nor that it does not."""

    NONE = ""
    WAITING = "waiting"
    ARRIVED = "arrived"
    MISSING = "missing"
    COULD_NOT_TELL = "could_not_tell"


@dataclass(frozen=True)
class JudgedProbe:
    verdict: ProbeVerdict
    sentence: str = ""


NOT_SENT_BECAUSE = "We couldn't send the last test message, so we can't tell whether mail arrives. {why}"
STORED_ONLY = "The last test message to {to} arrived and is stored only: the address has no active endpoint."
STOPPED = "The test message to {to} didn't arrive. It stopped at “{stage}”. {why}"


def judge_probe(facts: ProbeFacts, recipient: str, now: datetime) -> JudgedProbe:
    """The time runs from the sending. What was not sent, for whatever reason, proves nothing."""
    if facts.outcome == "delivered":
        return JudgedProbe(ProbeVerdict.ARRIVED)
    if facts.outcome == "unrouted":
        return JudgedProbe(ProbeVerdict.COULD_NOT_TELL, STORED_ONLY.format(to=recipient))
    if now - (facts.sent_at or facts.asked_at) <= facts.bound and not facts.send_problem:
        return JudgedProbe(ProbeVerdict.WAITING)
    if not facts.outcome and (facts.send_problem or facts.sent_at is None):
        why = facts.send_problem or NOT_SENT
        return JudgedProbe(ProbeVerdict.COULD_NOT_TELL, NOT_SENT_BECAUSE.format(why=why))
    stopped = next(stage for stage in stages(facts, now) if stage.state is StageState.STOPPED)
    said = STOPPED.format(to=recipient, stage=stopped.name, why=stopped.sentence)
    return JudgedProbe(ProbeVerdict.MISSING, said.strip())


def next_time(domain_id: str, every: timedelta, *, after: datetime) -> datetime:
    """Each domain has a second of the hour, or of the day, of its own: they do not all come at once."""
    length, since = int(every.total_seconds()), int(after.timestamp()) + 1
    wait = (crc32(domain_id.encode()) - since) % length
    return datetime.fromtimestamp(since + wait, UTC)
