"""A small part of `make faults`: the sweep detects faults, and a few faults of two workflows converge."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from benchmarks.faults import wire
from benchmarks.faults.kinds import DATABASE_GONE, KINDS, FaultKind
from benchmarks.faults.stories import WORKFLOWS
from benchmarks.faults.sweep import Sweep
from benchmarks.faults.workflows import Claim, Place, Workflow
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.notifications.factories import run_receiver

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning"),  # it forks on purpose
]
STORIES = {workflow.name: workflow for workflow in WORKFLOWS}
FAULTS = {kind.name: kind for kind in KINDS}


@pytest.fixture
def sweep(sandbox: Sandbox, settings: Settings) -> Iterator[Sweep]:
    settings.ALLOWED_HOSTS = ["testserver"]
    with run_receiver() as receiver:
        yield Sweep(Place(sandbox, receiver))


def test_a_pause_converges_and_the_sweep_detects_a_leftover(sweep: Sweep) -> None:
    """At its first call: a late response, a killed process, no database; then a fault with a lasting effect."""
    for fault in ("timeout, applied", "killed after the call", DATABASE_GONE):
        assert sweep.outcome(STORIES["pause"], FAULTS[fault], only=1).else_ == [], fault
    outcome = sweep.outcome(STORIES["pause"], FaultKind("leaves a tenant", leave_a_tenant), only=1)
    assert any("left-behind" in each for each in outcome.else_)


def leave_a_tenant(plain: wire.Send, request: object) -> object:
    answer = plain(request)
    aws.client("sesv2").create_tenant(TenantName="left-behind")
    return answer


def test_a_webhook_whose_sender_was_killed_is_delivered(sweep: Sweep) -> None:
    assert sweep.outcome(STORIES["deliver a webhook"], FAULTS["killed after the call"]).else_ == []


def test_the_sweep_detects_a_page_with_a_false_statement(sweep: Sweep) -> None:
    def begin(place: Place) -> list[Claim]:
        claims = STORIES["pause"].begin(place)
        paused = claims[0]
        return [Claim("paused", lambda: not paused.is_so(), paused.is_so, at_the_end=False)]

    with pytest.raises(AssertionError, match="a page says what is not so: paused"):
        sweep.undisturbed(Workflow("a page that lies", begin))
