"""If a worker is killed during a job, another worker repeats the job."""

import time
from collections.abc import Callable

import pytest

from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.factories import make_customer

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]

LONGEST_WAIT = 150  # seconds: thirty without a heartbeat, and two rounds of the minutely schedule


def test_a_killed_workers_job_is_done_by_the_next_one(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("slow", "CreateEmailIdentity", times=1, seconds=15)
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    with running_worker(sandbox) as worker:
        until(lambda: any("CreateEmailIdentity" in call for call in sandbox.control.call_counts()), 30)
        worker.kill()
    with running_worker(sandbox):
        until(lambda: Domain.objects.get(pk=domain.pk).stage == Stage.READY, LONGEST_WAIT)
    assert Change.objects.filter(what="domain.set_up", object_id=domain.pk).count() == 1


def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.5)  # a real worker on its real clock: this is a soak test
