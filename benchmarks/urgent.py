"""Measures how soon a real worker sends a pause to SES: with an empty queue, and behind a thousand setups."""

import time
from collections.abc import Callable

from benchmarks import database
from benchmarks.aws_calls import pointed_at
from benchmarks.rows import Row, at_most, shown
from sandbox.process import Sandbox

SET_UPS, PAUSES = 1000, 5
PACE = 1.0  # calls a second, the limit of SES
BOUND = 3.0  # durations of a call
GIVE_UP_SECONDS = 60


def rows() -> list[Row]:
    """Return the rows, measured on a separate database: the worst of several pauses."""
    with database.fresh(), Sandbox() as sandbox, pointed_at(sandbox):
        from tests.browser.worker import running_worker

        tenant = _tenant()
        with running_worker(sandbox, calls_per_second=PACE):
            _until(_worker_is_there)
            seconds_to_pause(tenant)  # a worker that just started loads its modules
            empty = _worst(tenant)
            _queue_set_ups()
            queued = _worst(tenant)
            left = _set_ups_left()
    assert left > SET_UPS * 0.9, "the queue was not full"
    return [
        shown("A pause reaches Amazon with nothing queued", empty * PACE, "calls' time"),
        at_most(f"A pause reaches Amazon with {SET_UPS:,} set-ups queued", queued * PACE, "calls' time", BOUND),
    ]


def _tenant() -> object:
    from tests.factories import make_customer
    from tests.tenants.factories import set_up_tenant

    return set_up_tenant(make_customer("Alice"))


def _queue_set_ups() -> None:
    """Queue setups as a bulk import does."""
    from domains import jobs as domains_jobs
    from inbound_admin.lib import lanes
    from inbound_admin.lib.lanes import WorkLane
    from operations.reconciler import services as reconciler_services
    from tests.domains.factories import make_domain
    from tests.factories import make_customer

    customer = make_customer("Bob")
    with lanes.within(WorkLane.BACKGROUND):
        for number in range(SET_UPS):
            domains_jobs.queue_set_up(make_domain(f"domain{number}.com", customer=customer))
    with lanes.within(WorkLane.LOOKS):
        reconciler_services.queue_unfinished()  # as the minutely sweep does


def _set_ups_left() -> int:
    from procrastinate.contrib.django.models import ProcrastinateJob

    return ProcrastinateJob.objects.filter(task_name="domains.set_up", status="todo").count()


def _worst(tenant: object) -> float:
    """Return the worst time in seconds."""
    return max(seconds_to_pause(tenant) for _ in range(PAUSES))


def seconds_to_pause(tenant: object) -> float:
    """Return seconds from the request until SES has answered the call. The tenant is resumed afterwards."""
    from tenants.models.tenants import Tenant
    from tenants.pause import services as pause_services
    from tests.tenants.factories import make_tess, pause_tenant

    assert isinstance(tenant, Tenant)
    tenant.refresh_from_db()
    began = time.monotonic()
    pause_tenant(tenant, applied=False)
    _until(lambda: _is(tenant, "status_told_at"))
    took = time.monotonic() - began
    _until(lambda: _is(tenant, "status_proven_at"))
    tenant.refresh_from_db()
    pause_services.resume(tenant=tenant, because="measured", actor=make_tess())
    _until(lambda: _is(tenant, "status_proven_at"))
    return took


def _is(tenant: object, moment: str) -> bool:
    from tenants.models.tenants import Tenant

    return Tenant.objects.filter(pk=getattr(tenant, "pk", ""), **{f"{moment}__isnull": False}).exists()


def _worker_is_there() -> bool:
    from inbound_admin.lib.jobs import worker_silent_for

    return worker_silent_for() is not None


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + GIVE_UP_SECONDS
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
