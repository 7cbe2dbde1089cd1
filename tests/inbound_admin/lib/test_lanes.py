"""The order of lanes at the shared pace, and that none waits forever."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from procrastinate.contrib.django import app

from inbound_admin.lib import lanes
from inbound_admin.lib.lanes import ONE_OF, TASKS, WorkLane

ALL = frozenset(WorkLane)
lanes_waiting = st.frozensets(st.sampled_from(list(WorkLane)), min_size=1)
MOST_PASSED = 11  # the most turns that a lane is skipped when several are due at once


def turns(waiting: list[frozenset[WorkLane]]) -> list[WorkLane]:
    """Return the lane of each turn, given the waiting lanes."""
    passed: dict[WorkLane, int] = {}
    had = []
    for there in waiting:
        had.append(lanes.next_lane(there, passed))
        passed = lanes.passed_after(had[-1], there, passed)
    return had


def test_every_task_has_a_lane_and_every_lane_a_task() -> None:
    own = {name for name in app.tasks if not name.startswith(("builtin:", "procrastinate."))}
    assert own == set(TASKS)
    assert set(TASKS.values()) == ALL


def test_periodic_tasks_are_in_the_checks_lane_except_rescue_and_nightly_read() -> None:
    by_clock = {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
    assert {TASKS[name] for name in by_clock - {"inbound_admin.rescue", "domains.read_all"}} == {WorkLane.LOOKS}
    assert TASKS["domains.read_all"] is WorkLane.BACKGROUND


@given(st.lists(lanes_waiting, max_size=60))
def test_each_turn_goes_to_a_waiting_lane(waiting: list[frozenset[WorkLane]]) -> None:
    assert all(turn in there for turn, there in zip(turns(waiting), waiting, strict=True))


@given(st.lists(lanes_waiting, max_size=200))
def test_no_lane_is_skipped_longer_than_its_limit(waiting: list[frozenset[WorkLane]]) -> None:
    passed: Counter[WorkLane] = Counter()
    for turn, there in zip(turns(waiting), waiting, strict=True):
        passed = Counter({lane: passed[lane] + 1 for lane in there if lane is not turn})
        assert passed[WorkLane.URGENT] <= 1, "an urgent call waits for one turn of others"
        assert passed[WorkLane.PEOPLE] <= ONE_OF[WorkLane.PEOPLE]
        assert max(passed.values(), default=0) <= MOST_PASSED


def test_when_all_wait_each_lane_has_its_share_and_urgent_the_rest() -> None:
    had = Counter(turns([ALL] * 1000))
    assert had[WorkLane.URGENT] >= 500
    for lane, one_of in ONE_OF.items():
        assert had[lane] >= 1000 // (one_of + 2)


def test_background_gets_at_most_its_share_while_people_wait() -> None:
    had = Counter(turns([frozenset({WorkLane.PEOPLE, WorkLane.BACKGROUND})] * 1000))
    assert had == {WorkLane.PEOPLE: 900, WorkLane.BACKGROUND: 100}


def test_a_lane_alone_gets_every_turn() -> None:
    assert turns([frozenset({WorkLane.BACKGROUND})] * 9) == [WorkLane.BACKGROUND] * 9


counts = st.dictionaries(st.sampled_from(list(WorkLane)), st.integers(1, 30), min_size=1)


@given(counts, st.dictionaries(st.sampled_from(list(WorkLane)), st.integers(0, 9)), st.data())
def test_the_predicted_turns_match_the_actual_ones(
    waiting: dict[WorkLane, int], passed: dict[WorkLane, int], data: st.DataObject
) -> None:
    lane = data.draw(st.sampled_from(sorted(waiting)))
    ahead = data.draw(st.integers(0, waiting[lane] - 1))
    left, known, had = dict(waiting), passed, list[WorkLane]()
    while had.count(lane) <= ahead:
        there = frozenset(each for each, number in left.items() if number)
        had.append(lanes.next_lane(there, known))
        known = lanes.passed_after(had[-1], there, known)
        left[had[-1]] -= 1
    assert lanes.turns_before(lane, ahead, waiting, passed) == len(had) - 1


@given(counts, st.sampled_from(list(WorkLane)), st.integers(0, 40))
def test_the_estimated_turns_of_a_single_job_are_close(others: dict[WorkLane, int], lane: WorkLane, calls: int) -> None:
    """The estimate is within the rounding of shares, because people read it in seconds and minutes."""
    others.pop(lane, None)
    left, known, needed = {**others, lane: calls}, dict[WorkLane, int](), 0
    while left[lane]:
        there = frozenset(each for each, number in left.items() if number)
        turn = lanes.next_lane(there, known)
        known = lanes.passed_after(turn, there, known)
        left[turn] -= 1
        needed += 1
    estimate = lanes.turns_needed(calls, lane, others, slots=4)
    assert abs(estimate - needed) <= 3 + needed * 0.25


def test_a_job_shares_its_lane_with_other_jobs() -> None:
    assert lanes.turns_needed(10, WorkLane.BACKGROUND, {WorkLane.BACKGROUND: 4000}, slots=4) == 40
    assert lanes.turns_needed(10, WorkLane.BACKGROUND, {WorkLane.BACKGROUND: 5}, slots=4) == 15


def test_jobs_of_background_work_are_background_unless_they_stop_mail() -> None:
    assert lanes.lane_of("domains.set_up") is WorkLane.PEOPLE
    with lanes.within(WorkLane.BACKGROUND):
        assert lanes.lane_of("domains.set_up") is WorkLane.BACKGROUND
        assert lanes.lane_of("tenants.status") is WorkLane.URGENT
        assert lanes.lane_of("receipt_rules.work") is WorkLane.PEOPLE
    with lanes.within(WorkLane.URGENT):
        assert lanes.lane_of("domains.set_up") is WorkLane.PEOPLE
        assert lanes.lane_of("operations.migrate") is WorkLane.BACKGROUND


@pytest.mark.parametrize("lane", list(WorkLane))
def test_a_queue_has_the_name_of_its_lane(lane: WorkLane) -> None:
    assert lanes.lane_of_queue(lane.queue) is lane
    assert lanes.lane_of_queue("default") is WorkLane.BACKGROUND
