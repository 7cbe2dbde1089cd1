"""A small part of `make faults`: the sweep itself, that it sees what is wrong, and a few faults of two workflows."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from benchmarks.faults import kinds, wire
from benchmarks.faults.kinds import KINDS, FaultKind
from benchmarks.faults.stories import WORKFLOWS
from benchmarks.faults.sweep import Sweep
from benchmarks.faults.workflows import Claim, Place, Workflow
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.notifications.making import receiving

pytestmark = pytest.mark.django_db(transaction=True)
STORIES = {workflow.name: workflow for workflow in WORKFLOWS}
FAULTS = {kind.name: kind for kind in KINDS}


@pytest.fixture
def sweep(sandbox: Sandbox, settings: Settings) -> Iterator[Sweep]:
    settings.ALLOWED_HOSTS = ["testserver"]
    with receiving() as receiver:
        yield Sweep(Place(sandbox, receiver))


def test_a_pause_converges_and_no_page_calls_it_paused_too_early(sweep: Sweep) -> None:
    for fault in ("timeout, applied", "killed after the call", "clock an hour back"):
        outcome = sweep.outcome(STORIES["pause"], FAULTS[fault])
        assert (outcome.calls, outcome.else_) == (2, []), fault


def test_a_webhook_is_taken_once_or_twice_and_never_lost(sweep: Sweep) -> None:
    for fault in ("error 500", "answer cut", "killed before the call"):
        assert sweep.outcome(STORIES["deliver a webhook"], FAULTS[fault]).else_ == []


def test_without_a_database_pages_say_so_and_all_goes_on_when_it_is_back(sweep: Sweep) -> None:
    try:
        assert sweep.outcome(STORIES["resume"], FAULTS["database gone"], only=1).else_ == []
    finally:
        kinds.start_database()


def test_the_sweep_sees_a_page_that_says_what_is_not_so(sweep: Sweep) -> None:
    def begin(place: Place) -> list[Claim]:
        claims = STORIES["pause"].begin(place)
        paused = claims[0]
        return [Claim("paused", lambda: not paused.is_so(), paused.is_so, at_the_end=False)]

    with pytest.raises(AssertionError, match="a page says what is not so: paused"):
        sweep.undisturbed(Workflow("a page that lies", begin))


def test_the_sweep_sees_what_does_not_converge(sweep: Sweep) -> None:
    """A fault that leaves something behind at AWS: another tenant."""

    def leave(plain: wire.Send, request: object) -> object:
        answer = plain(request)
        aws.client("sesv2").create_tenant(TenantName="left-behind")
        return answer

    outcome = sweep.outcome(STORIES["pause"], FaultKind("leaves a tenant", leave), only=1)
    assert any("left-behind" in each for each in outcome.else_)
