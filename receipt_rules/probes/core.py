"""The progress of a test message, stage by stage: when it passed, or where it stopped. Pure.

For scheduled test messages: when the next one is due, and what the last one proves.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zlib import crc32

HEADER = "X-Inbound-Admin-Probe"  # receiving/events.py reads it
REPORT_TIMEOUT = timedelta(minutes=5)  # after sending, without a report; SES and the function need seconds


class StageState(StrEnum):
    """How far a test message got at one stage. NOT_REACHED: it stopped before."""

    DONE = "done"
    WAITING = "waiting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"
    STORED = "stored_only"  # as intended: there is no endpoint


@dataclass(frozen=True)
class ProbeFacts:
    """The facts of a test message. `mx_leads_here=None`: unknown at the last check.

    `predicted_problem`: why the rules, as last read, keep it from being stored ("stopped by rule x");
    `predicted_stage`: at which stage. `report_timeout`: how long after sending we wait for the function's report.
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
    predicted_problem: str = ""
    predicted_stage: str = ""
    report_timeout: timedelta = REPORT_TIMEOUT

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the report should have arrived."""
        return not self.handled_at and now - (self.sent_at or self.asked_at) > self.report_timeout


@dataclass(frozen=True)
class ProbeStage:
    """`at` is never before the message was requested."""

    name: str
    state: StageState
    at: datetime | None = None
    sentence: str = ""


@dataclass(frozen=True)
class ProbeStatus:
    """The status in the list and above the stages; `sentence` is "" if the stages say everything."""

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


ENDED = ("delivered", "unrouted")  # final: no retry


_STATUS_BY_OUTCOME = {
    "delivered": ProbeStatus("Delivered", "good", "check-circle"),
    "unrouted": ProbeStatus("Stored only", "warn", "archive-box"),
}
_NOT_DELIVERED = ProbeStatus("Not delivered", "warn", "exclamation-triangle")


def probe_status(facts: ProbeFacts, now: datetime) -> ProbeStatus:
    if facts.outcome:
        return _STATUS_BY_OUTCOME.get(facts.outcome, _NOT_DELIVERED)
    if facts.send_problem:
        return ProbeStatus("Rejected", "bad", "x-circle")
    if not facts.is_overdue(now):
        expected = EXPECTED.format(why=facts.predicted_problem) if facts.predicted_problem else ""
        return ProbeStatus("Pending", "todo", "clock", expected)
    if facts.sent_at is None:
        return ProbeStatus("Not sent", "bad", "x-circle", NOT_SENT)
    return ProbeStatus("Not received", "bad", "x-circle", _not_received(facts))


def _not_received(facts: ProbeFacts) -> str:
    minutes = max(1, round(facts.report_timeout.total_seconds() / 60))
    within = f"Not received within {minutes} minute{'' if minutes == 1 else 's'}"
    return f"{within}: {facts.predicted_problem}." if facts.predicted_problem else f"{within}."


def stages(facts: ProbeFacts, now: datetime) -> tuple[ProbeStage, ...]:
    """Return the stages: MX seen, accepted, rule, stored, handler, delivered.

    The function's report proves the middle four.
    """
    found = (_mx(facts), *_through_ses(facts, now), _delivered(facts))
    stops = [number for number, stage in enumerate(found) if stage.state is StageState.STOPPED]
    if not stops or not (is_over(facts, now) or facts.outcome):
        return found
    return tuple(_after_stop(stage) if number > stops[0] else stage for number, stage in enumerate(found))


def _after_stop(stage: ProbeStage) -> ProbeStage:
    """A message stops at one stage only; a later stage stays done if that is known."""
    return stage if stage.state is StageState.DONE else replace(stage, state=StageState.NOT_REACHED)


def is_over(facts: ProbeFacts, now: datetime) -> bool:
    """Return whether another check would show nothing new soon."""
    is_old = now - (facts.sent_at or facts.asked_at) > facts.report_timeout
    return facts.outcome in ENDED or bool(facts.send_problem) or is_old


def _mx(facts: ProbeFacts) -> ProbeStage:
    """Mail that arrived was routed correctly, whatever the last DNS check found."""
    seen = facts.mx_seen_at if facts.mx_seen_at and facts.mx_seen_at >= facts.asked_at else None
    if facts.handled_at:
        return ProbeStage("MX seen", StageState.DONE, seen or _after(facts.received_at, facts))
    if facts.mx_leads_here:
        return ProbeStage("MX seen", StageState.DONE, seen, "" if seen else MX_BEFORE)
    if facts.mx_leads_here is None:
        return ProbeStage("MX seen", StageState.UNKNOWN, seen, UNKNOWN_MX)
    return ProbeStage("MX seen", StageState.STOPPED, seen, NO_MX)


def _after(at: datetime | None, facts: ProbeFacts) -> datetime | None:
    """Clocks differ: no time is before the request of the message."""
    return max(at, facts.asked_at) if at else None


def _through_ses(facts: ProbeFacts, now: datetime) -> tuple[ProbeStage, ...]:
    names = ("Accepted", "Rule", "Stored", "Handler")
    if facts.handled_at:
        passed = tuple(ProbeStage(name, StageState.DONE, _after(facts.received_at, facts)) for name in names[:3])
        return (*passed, ProbeStage("Handler", StageState.DONE, _after(facts.handled_at, facts)))
    if facts.send_problem:
        return _stopped_at("Accepted", facts.send_problem, facts.sent_at)
    if not facts.is_overdue(now):
        return tuple(ProbeStage(name, StageState.WAITING) for name in names)
    if facts.sent_at is None:
        return _stopped_at("Accepted", NOT_SENT)
    if facts.predicted_problem:
        return _stopped_at(facts.predicted_stage, _not_received(facts))
    return _stopped_at("Handler", f"{_not_received(facts)} {LATE}")


def _stopped_at(name: str, sentence: str, at: datetime | None = None) -> tuple[ProbeStage, ...]:
    """The other stages are unknown."""
    return tuple(
        ProbeStage(each, StageState.STOPPED, at, sentence) if each == name else ProbeStage(each, StageState.UNKNOWN)
        for each in ("Accepted", "Rule", "Stored", "Handler")
    )


def _delivered(facts: ProbeFacts) -> ProbeStage:
    if facts.outcome == "delivered":
        return ProbeStage("Delivered", StageState.DONE, _after(facts.handled_at, facts))
    if facts.outcome:
        sentence = f"{OUTCOMES.get(facts.outcome, '')} {facts.problem}".strip()
        state = StageState.STORED if facts.outcome == "unrouted" else StageState.STOPPED
        return ProbeStage("Delivered", state, _after(facts.handled_at, facts), sentence)
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
    """The result of the last message. COULD_NOT_TELL: it proves neither that mail arrives nor that it doesn't."""

    NONE = ""
    WAITING = "waiting"
    ARRIVED = "arrived"
    MISSING = "missing"
    COULD_NOT_TELL = "could_not_tell"


@dataclass(frozen=True)
class ProbeResult:
    verdict: ProbeVerdict
    sentence: str = ""


NOT_SENT_BECAUSE = "We couldn't send the last test message, so we can't tell whether mail arrives. {why}"
STORED_ONLY = "The last test message to {to} arrived and is stored only: the address has no active endpoint."
STOPPED = "The test message to {to} didn't arrive. It stopped at “{stage}”. {why}"


def evaluate_probe(facts: ProbeFacts, recipient: str, now: datetime) -> ProbeResult:
    """The timeout runs from the sending. A message that wasn't sent proves nothing."""
    if facts.outcome == "delivered":
        return ProbeResult(ProbeVerdict.ARRIVED)
    if facts.outcome == "unrouted":
        return ProbeResult(ProbeVerdict.COULD_NOT_TELL, STORED_ONLY.format(to=recipient))
    if now - (facts.sent_at or facts.asked_at) <= facts.report_timeout and not facts.send_problem:
        return ProbeResult(ProbeVerdict.WAITING)
    if not facts.outcome and (facts.send_problem or facts.sent_at is None):
        why = facts.send_problem or NOT_SENT
        return ProbeResult(ProbeVerdict.COULD_NOT_TELL, NOT_SENT_BECAUSE.format(why=why))
    stopped = next(stage for stage in stages(facts, now) if stage.state is StageState.STOPPED)
    sentence = STOPPED.format(to=recipient, stage=stopped.name, why=stopped.sentence)
    return ProbeResult(ProbeVerdict.MISSING, sentence.strip())


def next_time(domain_id: str, every: timedelta, *, after: datetime) -> datetime:
    """Each domain has its own second of the hour, or of the day, so that not all are due at once."""
    length, since = int(every.total_seconds()), int(after.timestamp()) + 1
    wait = (crc32(domain_id.encode()) - since) % length
    return datetime.fromtimestamp(since + wait, UTC)
