"""The counting of `make machines`. The run itself is a soak test."""

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.machines.findings import is_alone, most_within
from benchmarks.machines.fire import WEIGHTS, Event, Fire
from benchmarks.machines.fleet import Fleet
from benchmarks.machines.network import HOSTS, WEBS, WORKERS, Network, address
from benchmarks.machines.visitors import ApiCall, Visitors
from benchmarks.machines.work import STATUS, PauseRequest, first_calls
from sandbox.values import Call


def test_each_machine_has_its_own_address() -> None:
    assert len({address(name) for name in HOSTS}) == len(HOSTS)


@pytest.mark.parametrize(("moments", "most"), [([], 0), ([1.0], 1), ([0, 1, 2, 10, 10.5, 11, 11.5], 4), ([0, 10], 2)])
def test_the_most_calls_within_a_time_window_are_counted(moments: list[float], most: int) -> None:
    assert most_within(moments, 10 if len(moments) < 3 else 2) == most


def fire(tmp_path: Path, seed: int) -> Fire:
    return Fire(Network(), Fleet(Network(), tmp_path, 1.0), random.Random(seed), 600)


def test_one_seed_creates_the_same_events_of_each_kind(tmp_path: Path) -> None:
    first, second = fire(tmp_path, 7), fire(tmp_path, 7)
    assert first._first == second._first
    assert set(first._first) == set(WEIGHTS)


def test_it_is_calm_only_after_a_rest_without_events(tmp_path: Path) -> None:
    burns = fire(tmp_path, 1)
    burns.events = [Event("a", "web1", 100, 110), Event("b", "web1", 200)]
    assert burns.is_calm(123, 125, rest=12)
    assert not burns.is_calm(121, 125, rest=12)
    assert not burns.is_calm(90, 101, rest=12)
    assert not burns.is_calm(500, 501, rest=12), "the second event has not ended"


def test_the_last_machine_of_a_kind_is_spared(tmp_path: Path) -> None:
    assert len(WEBS) == len(WORKERS) == 3
    assert fire(tmp_path, 1)._whom("worker killed") == "", "no worker runs"


def call(seconds: float, arn: str, outcome: str = "ok") -> Call:
    return Call(1, datetime.fromtimestamp(seconds, UTC), "sesv2", STATUS, "eu-west-1", arn, outcome, True)


def test_a_request_reached_ses_with_its_first_successful_call() -> None:
    first, second, lost = (
        PauseRequest("a", True, asked=10, answered=11),
        PauseRequest("a", False, asked=20, answered=21),
        PauseRequest("b", True, asked=10, answered=11),
    )
    calls = [call(9, "a"), call(12, "a", "Throttling"), call(13, "a"), call(25, "a")]
    assert first_calls(calls, [first, second, lost]) == {id(first): 13, id(second): 25}


def test_an_unanswered_call_is_retried_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    responses: list[tuple[int, dict[str, str]]] = [(0, {}), (503, {}), (409, {"code": "IN_PROGRESS"}), (201, {})]
    answers = iter(responses)
    visitors, finished = Visitors(random.Random(1)), list[ApiCall]()
    keys = list[str]()

    def send(call: ApiCall) -> tuple[int, dict[str, str]]:
        keys.append(call.key)
        return next(answers)

    monkeypatch.setattr(visitors, "_send", send)
    visitors.ask(ApiCall("/x", {}, "", then=finished.append))
    while visitors.waiting:
        visitors.waiting[0].not_before = time.monotonic()
        visitors.go_on()
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert finished[0].answered
    assert not visitors.refused


@pytest.mark.parametrize(("tries_before", "is_counted"), [(0, True), (1, False)])
def test_a_refusal_counts_unless_an_earlier_attempt_may_have_succeeded(tries_before: int, is_counted: bool) -> None:
    visitors, call = Visitors(random.Random(1)), ApiCall("/x", {}, "", tries=tries_before + 1)
    assert visitors._is_over(call, 409, {"error": "It is there."})
    assert bool(visitors.refused) is is_counted


def test_a_request_is_alone_once_earlier_ones_are_confirmed() -> None:
    before, request = PauseRequest("a", True, asked=10, answered=11), PauseRequest("b", True, asked=20, answered=21)
    assert is_alone(request, [before, request], {id(before): 13})
    assert not is_alone(request, [before, request], {id(before): 18})
    assert not is_alone(request, [before, request], {}), "it never reached SES"
