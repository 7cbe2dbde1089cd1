"""How far a test message has come, stage by stage, each with its time or with where it stopped. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

HEADER = "X-Inbound-Admin-Probe"  # receiving/events.py reads it
GIVEN_UP = timedelta(minutes=15)  # without a report; SES and Lambda take seconds


class StageState(StrEnum):
    DONE = "done"
    WAITING = "waiting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"
    STORED = "stored_only"  # as wanted: there is no endpoint to deliver it to


@dataclass(frozen=True)
class ProbeFacts:
    """What is known of a test message. `mx_leads_here` None: unknown at the last check."""

    asked_at: datetime
    mx_leads_here: bool | None = None
    mx_seen_at: datetime | None = None
    sent_at: datetime | None = None
    send_problem: str = ""
    received_at: datetime | None = None
    handled_at: datetime | None = None
    outcome: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ProbeStage:
    name: str
    state: StageState
    at: datetime | None = None
    sentence: str = ""


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
    return facts.outcome in ENDED or bool(facts.send_problem) or now - facts.asked_at > GIVEN_UP


def _mx(facts: ProbeFacts) -> ProbeStage:
    """Mail that arrived has found its way, whatever our last look said."""
    if facts.mx_leads_here or facts.handled_at:
        return ProbeStage("MX seen", StageState.DONE, facts.mx_seen_at or facts.received_at)
    if facts.mx_leads_here is None:
        return ProbeStage("MX seen", StageState.UNKNOWN, facts.mx_seen_at, UNKNOWN_MX)
    return ProbeStage("MX seen", StageState.STOPPED, facts.mx_seen_at, NO_MX)


def _through_ses(facts: ProbeFacts, now: datetime) -> tuple[ProbeStage, ...]:
    names = ("Accepted", "Rule", "Stored")
    if facts.handled_at:
        passed = tuple(ProbeStage(name, StageState.DONE, facts.received_at) for name in names)
        return (*passed, ProbeStage("Handler", StageState.DONE, facts.handled_at))
    state = StageState.UNKNOWN if now - facts.asked_at > GIVEN_UP else StageState.WAITING
    if facts.send_problem:
        first = ProbeStage("Accepted", StageState.STOPPED, facts.sent_at, facts.send_problem)
        return (first, *(ProbeStage(name, StageState.UNKNOWN) for name in ("Rule", "Stored", "Handler")))
    middle = tuple(ProbeStage(name, state) for name in names)
    late = state is StageState.UNKNOWN
    return (*middle, ProbeStage("Handler", StageState.STOPPED if late else state, None, LATE if late else ""))


def _delivered(facts: ProbeFacts) -> ProbeStage:
    if facts.outcome == "delivered":
        return ProbeStage("Delivered", StageState.DONE, facts.handled_at)
    if facts.outcome:
        said = OUTCOMES.get(facts.outcome, "")
        state = StageState.STORED if facts.outcome == "unrouted" else StageState.STOPPED
        return ProbeStage("Delivered", state, facts.handled_at, f"{said} {facts.problem}".strip())
    stopped = bool(facts.send_problem)
    return ProbeStage("Delivered", StageState.UNKNOWN if stopped else StageState.WAITING)
