"""When a domain's next test message is due, and what the last one proves. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zlib import crc32

from receipt_rules.probes.core import NOT_SENT, ProbeFacts, StageState, stages

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
STOPPED = "The test message to {to} didn't arrive. It stopped at “{stage}”. {why}"


def judge_probe(facts: ProbeFacts, recipient: str, now: datetime) -> JudgedProbe:
    """The time runs from the sending. What was not sent, for whatever reason, proves nothing."""
    if facts.outcome == "delivered":
        return JudgedProbe(ProbeVerdict.ARRIVED)
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
