"""Two real workers at SES's rate limit with bulk work: a pause runs first, and scheduled work still runs."""

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


def waiting_setups() -> int:
    return ProcrastinateJob.objects.filter(task_name="domains.set_up", status="todo").count()


def test_a_pause_and_scheduled_checks_run_promptly_during_a_bulk_setup(
    sandbox: Sandbox,
) -> None:
    tenant, customer = set_up_tenant(make_customer("Alice")), make_customer("Bob")
    with lanes.within(WorkLane.BACKGROUND):
        for number in range(200):
            domains_jobs.queue_set_up(make_domain(f"domain{number}.com", customer=customer))
    with running_worker(sandbox, calls_per_second=PACE), running_worker(sandbox, calls_per_second=PACE):
        until(lambda: waiting_setups() < 200, 30)
        assert max(seconds_to_pause(tenant) for _ in range(3)) <= 3 / PACE
        with lanes.within(WorkLane.LOOKS):
            drift_services.request_check()
        checked = ProcrastinateJob.objects.filter(task_name="receipt_rules.look", status="succeeded")
        until(checked.exists, 60)
        assert waiting_setups() > 100, "the bulk work had already ended"
        before = waiting_setups()
        until(lambda: waiting_setups() < before, 60)
