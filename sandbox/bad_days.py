"""The page of the sandbox AWS: faults, throttle, clock, calls and reset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.people.selectors import Viewer, supports_everyone
from domains.domain_list.selectors import domains_for
from sandbox.forms import EVERY, KINDS, BeliefForm, ClockForm, FaultForm, RecipientForm
from sandbox.panel import control
from sandbox.values import Call, Fault

SHOWN_CALLS = 50
ONE_A_SECOND = 1.0
A_MOMENT = timedelta(seconds=5)
TITLES: Mapping[str, str] = dict(KINDS)


@dataclass(frozen=True)
class FaultLine:
    id: str
    title: str
    operation: str
    when: str


@dataclass(frozen=True)
class CallLine:
    """`subject` is empty if it belongs to another customer."""

    at: datetime
    operation: str
    subject: str
    outcome: str

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(frozen=True)
class AmazonPage:
    faults: tuple[FaultLine, ...]
    throttle: float | None
    refused: int  # recipients
    now: datetime
    is_ahead: bool
    calls: tuple[CallLine, ...]
    counts: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.counts)


def amazon_page(viewer: Viewer) -> AmazonPage:
    """Raises SandboxSilent."""
    with control() as amazon:
        faults, throttle, now = amazon.faults(), amazon.throttle(), amazon.now()
        refused = len(amazon.refused_recipients())
        calls, counts = amazon.calls(SHOWN_CALLS), amazon.call_counts()
    return AmazonPage(
        faults=tuple(_fault(fault) for fault in faults),
        throttle=throttle,
        refused=refused,
        now=now,
        is_ahead=now - timezone.now() > A_MOMENT,
        calls=tuple(reversed(_calls(calls, viewer))),
        counts=tuple(sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))),
    )


def add_fault(form: FaultForm) -> str:
    wanted = form.cleaned_data
    seconds = float(wanted["seconds"] or 0) if wanted["kind"] == "slow" else 0.0
    with control() as amazon:
        made = amazon.add_fault(
            wanted["kind"], wanted["operation"], nth=wanted["nth"], times=wanted["times"], seconds=seconds
        )
    line = _fault(made)
    return f"Fault on: {line.title}; {line.operation}, {line.when}."


def remove_fault(fault_id: str) -> str:
    with control() as amazon:
        amazon.remove_fault(fault_id)
    return "Fault off."


def clear_faults() -> str:
    with control() as amazon:
        amazon.clear_faults()
    return "All faults are off."


def set_throttle(*, on: bool) -> str:
    with control() as amazon:
        amazon.set_throttle(ONE_A_SECOND if on else None)
    return "AWS now accepts one call per second, as SES does." if on else "AWS has no rate limit."


def refuse_recipient(form: RecipientForm) -> str:
    recipient = form.cleaned_data["recipient"].strip().lower()
    with control() as amazon:
        amazon.set_refused_recipients((*amazon.refused_recipients(), recipient))
    return f"SES now rejects every receipt rule with {recipient}."


def beliefs() -> dict[str, str]:
    with control() as amazon:
        return amazon.beliefs()


def believe(form: BeliefForm) -> str:
    with control() as amazon:
        amazon.set_beliefs(**form.cleaned_data)
    return "Behaviour saved."


def refuse_no_recipient() -> str:
    with control() as amazon:
        amazon.set_refused_recipients(())
    return "SES now only rejects invalid recipients."


def advance_clock(form: ClockForm) -> str:
    """Advance the AWS clock and run everything due by then."""
    with control() as amazon:
        amazon.advance_clock(form.seconds)
        now, changes = amazon.now(), amazon.tick().changes
    happened = f". {len(changes)} status change{'s' if len(changes) > 1 else ''}" if changes else ""
    return f"The AWS clock now shows {now:%-d %B %Y, %H:%M} UTC{happened}."


def reset() -> str:
    with control() as amazon:
        amazon.reset()
    return "Sandbox reset: no identities, zones or faults, and the clock shows the real time."


def _fault(fault: Fault) -> FaultLine:
    title = TITLES.get(fault.kind, fault.kind)
    often = "until turned off" if fault.times is None else f"for {_times(fault.times)}"
    begin = f", from call {fault.nth} on" if fault.nth > 1 else ""
    held = f" ({fault.seconds:g} s)" if fault.kind == "slow" else ""
    operation = "every call" if fault.operation == EVERY else fault.operation
    return FaultLine(fault.id, f"{title}{held}", operation, f"{often}{begin}")


def _times(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _calls(calls: tuple[Call, ...], viewer: Viewer) -> tuple[CallLine, ...]:
    """Hide a call's subject unless it is one of the viewer's domains. Staff see all."""
    all_of_them = supports_everyone(viewer)
    about = {call.subject for call in calls}
    own = about if all_of_them else set(domains_for(viewer).filter(name__in=about).values_list("name", flat=True))
    return tuple(
        CallLine(call.at, f"{call.service}:{call.operation}", call.subject if call.subject in own else "", call.outcome)
        for call in calls
    )
