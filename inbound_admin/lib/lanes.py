"""Lanes: which work goes first, in the queue and at the shared rate limit of AWS calls. The one table of tasks.

- URGENT: what stops or resumes mail (pause, resume, stop receiving, policy, rules of a domain that changed hands).
- PEOPLE: what somebody waits for. Every web request is in this lane.
- LOOKS: scheduled work (sweeps, hourly reads of SES).
- BACKGROUND: work on many objects (bulk actions, migration, import), and nightly reads that take up to hours.

At the rate limit, the first lane that waits has the next turn, but every waiting lane has at least one turn in
`ONE_OF`. So an urgent call waits for at most one turn of others, and no lane ever stops. Turns that a lane doesn't need
go to the others. Within a lane, calls are served in order of arrival.

A job has its task's lane. A call or job that a job requests is in no higher lane than the job, unless its task is
`FIXED`: the setups that a bulk import queues wait behind a person's.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Any


class WorkLane(IntEnum):
    """Higher numbers go first: the number is the priority of the lane's jobs. `queue` is the name for Procrastinate."""

    BACKGROUND = 0
    LOOKS = 10
    PEOPLE = 20
    URGENT = 30

    @property
    def queue(self) -> str:
        return self.name.lower()


ONE_OF = {WorkLane.URGENT: 2, WorkLane.PEOPLE: 5, WorkLane.LOOKS: 10, WorkLane.BACKGROUND: 10}

TASKS: Mapping[str, WorkLane] = {
    "audit.forget": WorkLane.LOOKS,
    "domains.check_due": WorkLane.PEOPLE,
    "domains.configure": WorkLane.PEOPLE,
    "domains.count_states": WorkLane.LOOKS,
    "domains.delete": WorkLane.PEOPLE,
    "domains.diagnose": WorkLane.PEOPLE,
    "domains.discover": WorkLane.LOOKS,
    "domains.end_unproven": WorkLane.LOOKS,
    "domains.fetch_policies": WorkLane.LOOKS,
    "domains.forget_old": WorkLane.LOOKS,
    "domains.notice": WorkLane.LOOKS,
    "domains.read_all": WorkLane.BACKGROUND,
    "domains.set_up": WorkLane.PEOPLE,
    "domains.sweep": WorkLane.LOOKS,
    "domains.unmake": WorkLane.URGENT,
    "inbound_admin.clear": WorkLane.LOOKS,
    "inbound_admin.rescue": WorkLane.URGENT,
    "notifications.clear": WorkLane.LOOKS,
    "notifications.unmuted": WorkLane.LOOKS,
    "notifications.deliver": WorkLane.PEOPLE,
    "notifications.mail": WorkLane.PEOPLE,
    "operations.bulk": WorkLane.BACKGROUND,
    "operations.look": WorkLane.LOOKS,
    "operations.look_each_night": WorkLane.LOOKS,
    "operations.migrate": WorkLane.BACKGROUND,
    "operations.move_in": WorkLane.BACKGROUND,
    "operations.remove": WorkLane.PEOPLE,
    "operations.sweep": WorkLane.LOOKS,
    "operations.urgent_bulk": WorkLane.URGENT,
    "operations.watch": WorkLane.LOOKS,
    "receipt_rules.ask_recipients": WorkLane.PEOPLE,
    "receipt_rules.look": WorkLane.LOOKS,
    "receipt_rules.plan_draft": WorkLane.PEOPLE,
    "receipt_rules.probe_domains": WorkLane.LOOKS,
    "receipt_rules.send_probe": WorkLane.PEOPLE,
    "receipt_rules.sweep": WorkLane.LOOKS,
    "receipt_rules.sweep_drift": WorkLane.LOOKS,
    "receipt_rules.watch": WorkLane.LOOKS,
    "receipt_rules.forget_received": WorkLane.LOOKS,
    "receipt_rules.watch_active_set": WorkLane.LOOKS,
    "receipt_rules.watch_key": WorkLane.LOOKS,
    "receipt_rules.work": WorkLane.PEOPLE,
    "tenants.associate": WorkLane.PEOPLE,
    "tenants.create": WorkLane.PEOPLE,
    "tenants.find_out": WorkLane.PEOPLE,
    "tenants.find_out_all": WorkLane.LOOKS,
    "tenants.forget_old_rates": WorkLane.LOOKS,
    "tenants.measure": WorkLane.PEOPLE,
    "tenants.measure_due": WorkLane.LOOKS,
    "tenants.policy": WorkLane.URGENT,
    "tenants.read": WorkLane.PEOPLE,
    "tenants.read_all": WorkLane.LOOKS,
    "tenants.remind": WorkLane.LOOKS,
    "tenants.remove": WorkLane.PEOPLE,
    "tenants.status": WorkLane.URGENT,
    "tenants.tell": WorkLane.PEOPLE,
}
# Tasks whose jobs always keep their lane.
FIXED = frozenset(("receipt_rules.work", *(name for name, lane in TASKS.items() if lane is WorkLane.URGENT)))
# Tasks that two workers may run at once without harm, so a slow worker may be taken for dead early: the later run sets
# the newest request again (tenants.pause, tenants.policy). The recovery of all other jobs is one of them: its own
# lock would block it for ever.
TAKEN_UP_SOON = frozenset(("inbound_admin.rescue", "tenants.policy", "tenants.status"))
# Only for estimates of the time left: the number of rate-limited calls of a job (1 by default), jobs that last as long
# as their work, and jobs that make no call.
CALLS = {"domains.set_up": 4, "domains.delete": 3, "tenants.create": 5, "tenants.status": 2, "tenants.policy": 2}
LONG = frozenset(
    ("operations.bulk", "operations.migrate", "operations.move_in", "receipt_rules.work", "tenants.associate")
)
NO_CALLS = frozenset(
    (
        "domains.diagnose",
        "domains.discover",
        "domains.fetch_policies",
        "inbound_admin.rescue",
        "notifications.deliver",
        "notifications.mail",
        "receipt_rules.probe_domains",
    )
)

_current: ContextVar[WorkLane] = ContextVar("lane", default=WorkLane.PEOPLE)


def current() -> WorkLane:
    """Return the lane of the running job or the current request."""
    return _current.get()


@contextmanager
def within(lane: WorkLane) -> Iterator[None]:
    """Use this lane for calls to SES and jobs queued inside."""
    token = _current.set(lane)
    try:
        yield
    finally:
        _current.reset(token)


def lane_of(task: str) -> WorkLane:
    """Return the lane of a job of this task if it is queued now."""
    return TASKS[task] if task in FIXED else min(TASKS[task], current())


def lane_of_queue(queue: str) -> WorkLane:
    """Return the lane of a queue name. An unknown one counts as background."""
    return next((lane for lane in WorkLane if lane.queue == queue), WorkLane.BACKGROUND)


def calls_of(task: str) -> int:
    """Return about how many rate-limited calls a job of the task makes."""
    return 0 if task in NO_CALLS or task.endswith("sweep") else CALLS.get(task, 1)


async def run_in_lane(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
    """A worker's middleware of Procrastinate: a job's calls have the lane of the queue that it was in."""
    with within(lane_of_queue(context.job.queue)):
        return await call_next()


def next_lane(waiting: frozenset[WorkLane], passed: Mapping[WorkLane, int]) -> WorkLane:
    """Return the lane whose turn it is. `passed`: turns that others had while the lane waited."""
    owed = [lane for lane in waiting if passed.get(lane, 0) >= ONE_OF[lane] - 1]
    return max(owed or waiting)


def passed_after(turn: WorkLane, waiting: frozenset[WorkLane], passed: Mapping[WorkLane, int]) -> dict[WorkLane, int]:
    """Return `passed` after `turn` has had its turn. Lanes that don't wait are dropped."""
    return {lane: passed.get(lane, 0) + 1 for lane in waiting if lane is not turn}


def turns_before(lane: WorkLane, ahead: int, waiting: Mapping[WorkLane, int], passed: Mapping[WorkLane, int]) -> int:
    """Return how many turns others have before the call of `lane` with `ahead` calls before it in its own lane.

    `waiting` counts the calls of each lane, this one's included. Exact if nobody comes or goes meanwhile.
    """
    left, turns, known = {each: number for each, number in waiting.items() if number}, 0, dict(passed)
    while (turn := next_lane(frozenset(left), known)) is not lane or ahead:
        ahead -= turn is lane
        known = passed_after(turn, frozenset(left), known)
        left = {each: number - (each is turn) for each, number in left.items() if number > (each is turn)}
        turns += 1
    return turns


def turns_needed(calls: int, lane: WorkLane, others: Mapping[WorkLane, int], slots: int) -> int:
    """Return the turns until `calls` of a job in `lane` are made. `others`: the calls of all other waiting work.

    Within its lane, a job shares the turns with those running at the same time, `slots` in total.
    """
    own = calls + min(calls * (slots - 1), others.get(lane, 0))
    higher = sum(number for each, number in others.items() if each > lane)
    turns = own + min(higher, own * (ONE_OF[lane] - 1))
    return turns + sum(min(number, turns // ONE_OF[each]) for each, number in others.items() if each < lane)
