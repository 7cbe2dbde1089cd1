"""Two real workers at Amazon's pace under bulk work: a pause goes first, and what runs by the clock still runs."""

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from benchmarks.urgent import seconds_to_pause
from domains import jobs as domains_jobs
from inbound_admin.lib import lanes
from inbound_admin.lib.lanes import WorkLane
from operations.drift import services as drift_services
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.domains.factories import make_domain
from tests.factories import make_customer
from tests.soak.test_worker_killed import until
from tests.tenants.factories import set_up_tenant

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]
PACE = 1.0


def left() -> int:
    return ProcrastinateJob.objects.filter(task_name="domains.set_up", status="todo").count()


def test_a_pause_takes_three_calls_time_and_hourly_looks_run_while_two_hundred_domains_are_set_up(
    sandbox: Sandbox,
) -> None:
    tenant, customer = set_up_tenant(make_customer("Alice")), make_customer("Bob")
    with lanes.within(WorkLane.BACKGROUND):
        for number in range(200):
            domains_jobs.set_up_soon(make_domain(f"domain{number}.com", customer=customer))
    with running_worker(sandbox, calls_per_second=PACE), running_worker(sandbox, calls_per_second=PACE):
        until(lambda: left() < 200, 30)
        assert max(seconds_to_pause(tenant) for _ in range(3)) <= 3 / PACE
        with lanes.within(WorkLane.LOOKS):
            drift_services.request_check()
        looked = ProcrastinateJob.objects.filter(task_name="receipt_rules.look", status="succeeded")
        until(looked.exists, 60)
        assert left() > 100, "the bulk was over before"
        now_left = left()
        until(lambda: left() < now_left, 60)
