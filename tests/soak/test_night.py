"""A night with bulk work, a pause, an old system, an unmanaged stop rule, a killed worker and throttling; then
morning.
"""

import os
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from accounts.roles import Role
from benchmarks.urgent import seconds_to_pause
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from operations.drift import services as drift_services
from operations.models import Batch, BatchItem, BatchItemState
from receipt_rules.addresses import services as addresses_services
from receipt_rules.models.runs import Run
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.browser.worker import running_worker
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import live, make_unmanaged_rule, make_verified, rule_count, set_up_receiving
from tests.soak.test_worker_killed import until
from tests.tenants.factories import pause_tenant, set_up_tenant

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]

DOMAINS = int(os.environ.get("SOAK_DOMAINS", "500"))
LATE = 12  # domains added while SES throttles and a worker dies
PACE = 2.0  # calls a second, for all workers together
CALLS_TO_PAUSE = 3
MINUTE = 60  # the interval of reading the active set; each step may need several
WHOLE_NIGHT = 45 * MINUTE
STOP = "corp-060"


class Night:
    """What staff and customers see, and what SES has."""

    def __init__(self, client: Client, olga: User) -> None:
        self.client, self.olga = client, olga
        self.shops = [make_verified(f"shop{number}.com") for number in range(3)]
        for shop in self.shops:
            addresses_services.set_catch_all(domain=shop, actor=None)
        set_up_receiving(olga)
        self.tenant = set_up_tenant(make_customer("Phished"))

    def page(self, name: str, *args: str, of: User | None = None) -> str:
        self.client.force_login(of or self.olga)
        answer = self.client.get(reverse(name, args=args))
        assert answer.status_code == 200
        return answer.text

    def add_in_bulk(self, what: str, number: int) -> Batch:
        sam, alice = make_staff(Role.SUPPORT), make_customer(f"Alice of {what}")  # customers may add 200 unverified
        named = tuple(DomainLine(f"{what}{n}.com", alice.pk) for n in range(number))
        rows = predict(BatchKind.IMPORT, named, viewer=sam)
        assert all(row.works for row in rows)
        items = domain_actions_services.items_of(rows)
        return batches_services.start(kind=BatchKind.IMPORT, items=items, words={"because": "import"}, actor=sam)

    def approve(self, asked: PlanRequest = EVERYTHING, typed: str = "") -> None:
        made = planner_services.plan_changes(asked)
        run = planner_services.approve(
            digest=made.digest, because="the night", actor=self.olga, typed=typed, request=asked
        )
        until(lambda: Run.objects.get(pk=run.pk).is_over, 3 * MINUTE)
        assert Run.objects.get(pk=run.pk).state == "done"

    def warns(self, sentence: str) -> bool:
        return sentence in self.page("operations:overview")


@pytest.fixture
def night(sandbox: Sandbox, client: Client) -> Night:
    return Night(client, make_staff(Role.OPERATOR))


@pytest.fixture
def workers(night: Night, sandbox: Sandbox) -> Iterator[None]:
    with running_worker(sandbox, calls_per_second=PACE), running_worker(sandbox, calls_per_second=PACE):
        yield


def ready(what: str = "bulk") -> int:
    return Domain.objects.filter(name__startswith=what, stage=Stage.READY).count()


def done_on(page: str) -> int:
    """Return the number of domains that a batch's page shows as done."""
    found = re.search(r"(\d+) done", page)
    return int(found[1]) if found else 0


def test_a_night_of_faults_ends_with_all_work_done(night: Night, workers: None, sandbox: Sandbox) -> None:
    bulk = night.add_in_bulk("bulk", DOMAINS)
    until(lambda: ready() > 0, 3 * MINUTE)
    assert f"of {DOMAINS}" in night.page("operations:bulk", bulk.pk, of=bulk.by)

    pause_for_phishing(night)

    make_unmanaged_rule("theirs", ["else.com"], rule_set="postbox-2019", create_set=True)
    until(lambda: night.warns("Another program activated the rule set postbox-2019"), 3 * MINUTE)
    night.approve(PlanRequest(instead_of="postbox-2019"), typed="postbox-2019")
    assert not night.warns("postbox-2019 in")
    assert live().name == "inbound-mail"

    stop_rule([shop.name for shop in night.shops])
    drift_services.request_check()
    harm = f"The unmanaged rule {STOP} stops all mail for 3 addresses of 3 customers."
    until(lambda: harm in night.page("operations:differences"), 5 * MINUTE)
    aws.client("ses").delete_receipt_rule(RuleSetName="inbound-mail", RuleName=STOP)
    drift_services.request_check()
    until(lambda: harm not in night.page("operations:differences"), 5 * MINUTE)

    late = add_late(night, sandbox)
    assert not BatchItem.objects.filter(state=BatchItemState.REFUSED).exists()
    until(lambda: (ready(), ready("late")) == (DOMAINS, LATE), WHOLE_NIGHT)
    for batch, number in ((bulk, DOMAINS), (late, LATE)):
        assert done_on(night.page("operations:bulk", batch.pk, of=batch.by)) == number
    assert [rule_count(f"a@{shop.name}") for shop in night.shops] == [1, 1, 1]
    assert "Paused" in night.page("tenants:detail", night.tenant.pk)
    assert planner_services.plan_changes().is_empty


def pause_for_phishing(night: Night) -> None:
    """The pause is applied in time, and shown as paused only once SES has confirmed it."""
    assert seconds_to_pause(night.tenant) <= CALLS_TO_PAUSE / PACE
    pause_tenant(night.tenant, applied=False, reason="phishing")
    if Tenant.objects.get(pk=night.tenant.pk).status_proven_at is None:
        assert "Pausing" in night.page("tenants:detail", night.tenant.pk)
    until(lambda: Tenant.objects.get(pk=night.tenant.pk).status_proven_at is not None, MINUTE)
    assert "Paused" in night.page("tenants:detail", night.tenant.pk)


def add_late(night: Night, sandbox: Sandbox) -> Batch:
    """Add a batch while SES throttles and a worker dies; its page never shows more domains than are done."""
    sandbox.control.set_throttle(PACE / 2)
    with running_worker(sandbox, calls_per_second=PACE) as victim:
        late, stood = night.add_in_bulk("late", LATE), ready() + ready("late")
        until(lambda: ready() + ready("late") > stood, 3 * MINUTE)  # the late ones wait behind the bulk work
        victim.kill()
    before = ready("late")
    shown = done_on(night.page("operations:bulk", late.pk, of=late.by))
    assert before <= shown <= BatchItem.objects.filter(batch=late, state=BatchItemState.DONE).count()
    sandbox.control.set_throttle(None)

    return late


def stop_rule(names: list[str]) -> None:
    """Create a rule in front of ours, as another program would."""
    rule = {"Name": STOP, "Enabled": True, "Recipients": names, "Actions": [{"StopAction": {"Scope": "RuleSet"}}]}
    aws.client("ses").create_receipt_rule(RuleSetName="inbound-mail", Rule=rule)
    aws.client("ses").set_receipt_rule_position(RuleSetName="inbound-mail", RuleName=STOP)
