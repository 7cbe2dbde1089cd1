"""What somebody undoes while the worker is interrupted: a transfer, a bulk transfer, a deletion.

At each AWS call of the worker, in each way of the sandbox: no live address is ever without a rule, nobody sees the
other customer's rows, no row says "done" while SES differs, and the worker ends with the state that is wanted last.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from django.conf import settings
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from accounts.models.people import Customer, User
from accounts.roles import Role
from benchmarks.faults import worker
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from operations.domain_removal import services as domain_removal_services
from operations.models import Batch
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.models.addresses import Address
from receipt_rules.planner.core import matching
from receipt_rules.planner.services import EVERYTHING, plan_changes
from sandbox.aws.faults import ProcessCut
from sandbox.aws.state import WORLD, region_state
from sandbox.process import Sandbox
from sandbox.values import FaultKind
from tenants.models.tenants import TenantResource
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_member, make_staff
from tests.faults.initial_state import InitialState
from tests.faults.test_runs import rules_in_sandbox
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import make_endpoint, make_operator, set_up_receiving
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db

NAMES = ("shop.com", "mail.org")
HERS = tuple(f"info@{name}" for name in NAMES)
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


@dataclass
class World:
    """Alice's domains with an address each, Bob, and the people who look."""

    olga: User
    sam: User
    alice: Customer
    bob: Customer
    her: User
    him: User
    served: list[str] = field(default_factory=list)

    @property
    def domains(self) -> list[Domain]:
        return list(Domain.objects.filter(name__in=NAMES).order_by("name"))


@dataclass(frozen=True)
class Story:
    """`do` asks for the change, `undo` for its reversal; `old` says whose the domains are in the end."""

    do: Callable[[World], None]
    undo: Callable[[World], None]
    holder: str = "Alice"


def begin(do: Callable[[World], None]) -> World:
    olga = make_operator()
    hers, his = (set_up_tenant(make_customer(name)) for name in ("Alice", "Bob"))
    endpoint = make_endpoint(hers.customer, name="Desk", s3_prefix="alice/")
    make_endpoint(his.customer, name="Bob's desk", s3_prefix="bob/")
    for name in NAMES:
        make_ready(name, hers.customer, tenant=hers, routes_unchecked=False)
        resources_services.request_association(tenant=hers, arn=aws.identity_arn(name))
        addresses_services.add_address(text=f"info@{name}", customer=hers.customer, endpoint=endpoint, actor=None)
    resources_services.apply_associations(tenant_id=hers.pk)
    set_up_receiving(olga)
    worker.work()
    alice, bob = hers.customer, his.customer
    world = World(olga, make_staff(Role.SUPPORT), alice, bob, make_member(alice), make_member(bob), [*HERS])
    do(world)
    return world


class Watch:
    """Before each call of the worker: what the call before left."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrong: list[str] = []

    def check(self, **_: Any) -> None:
        rules = rules_in_sandbox().rules
        unserved = (each for each in self.world.served if not matching.delivering_rules(rules, each))
        self.wrong += [f"no rule for {each}" for each in unserved]

    @contextmanager
    def watching(self) -> Iterator[None]:
        found = [aws.client(service).meta.events for service in ("ses", "sesv2")]
        for events in found:
            events.register("before-call", self.check, unique_id=f"watch {id(self)}")
        try:
            yield
        finally:
            for events in found:
                events.unregister("before-call", unique_id=f"watch {id(self)}")
            self.check()


def work(world: World, *, until_settled: bool = False) -> None:
    """Run the worker until it is idle or its process dies."""
    watch = Watch(world)
    with watch.watching():
        with suppress(ProcessCut):
            worker.settle(lambda: False) if until_settled else worker.work()
        if until_settled:  # the process that died is followed by another
            worker.settle(lambda: False)
    assert not watch.wrong
    nobody_sees_the_others(world)
    no_row_says_more_than_ses(world)


def tenants_in_sandbox() -> dict[str, frozenset[str]]:
    """Return each tenant's ARNs without a call, which would count for the fault."""
    with WORLD.lock:
        tenants = region_state(ses_backends[DEFAULT_ACCOUNT_ID][settings.AWS_REGION]).tenants
        return {name: frozenset(tenant.associations) for name, tenant in tenants.items()}


def nobody_sees_the_others(world: World) -> None:
    for viewer, customer in ((world.her, world.alice), (world.him, world.bob)):
        assert {each.customer_id for each in domains_for(viewer)} <= {customer.pk}
        for address in addresses_for(viewer).select_related("domain", "endpoint"):
            assert address.domain.customer_id == customer.pk
            assert address.own_endpoint is None or address.own_endpoint.customer_id == customer.pk


def no_row_says_more_than_ses(world: World) -> None:
    found, there = rules_in_sandbox(), tenants_in_sandbox()
    for domain in Domain.objects.select_related("customer"):
        other = "alice/" if domain.customer_id == world.bob.pk else "bob/"
        if not domain.routes_unchecked and domain.stage != Stage.CLAIM:
            named = (rule for rule in found.ours if f"info@{domain.name}" in rule.recipients)
            delivery = [rule.delivery for rule in named]
            assert other not in str(delivery), f"{domain} counts as read, but {delivery}"
    deleting = Domain.objects.filter(stage=Stage.DELETING).values("name")
    shown = TenantResource.objects.filter(wanted=True, associated_at__isnull=False).exclude(name__in=deleting)
    for row in shown.select_related("tenant"):
        assert row.arn in there.get(row.tenant.name, ()), f"{row.arn} isn't in {row.tenant.name}"
    for address in addresses_for(world.olga):
        if address.is_served:
            assert matching.delivering_rules(found.rules, address.address), f"{address} says that it receives"


def the_end_is_right(world: World, story: Story, kind: FaultKind) -> None:
    found = {each.name: each.customer.name for each in Domain.objects.select_related("customer")}
    assert found == dict.fromkeys(NAMES, story.holder)
    assert plan_changes(EVERYTHING).is_empty, [str(step) for step in plan_changes(EVERYTHING).steps]
    customer = world.alice if story.holder == "Alice" else world.bob
    assert not Domain.objects.filter(routes_unchecked=True).exists()
    assert not worker.failed_jobs()
    waiting = TenantResource.objects.filter(tenant__customer=customer).exclude(held_by="")
    if kind == "missing" and waiting.exists():
        return  # SES said that the other tenant was gone, and it isn't: this waits for a person, who is told
    tenants = {tenant: {arn for arn in arns if ":identity/" in arn} for tenant, arns in tenants_in_sandbox().items()}
    (mine,) = customer.tenants.all()
    assert tenants[mine.name] == {aws.identity_arn(name) for name in NAMES}, tenants
    assert sum(map(len, tenants.values())) == len(NAMES), tenants


def nothing_is_left(world: World, *, is_believed: bool) -> None:
    """`is_believed`: SES said of something that it was gone, so it may still be there."""
    assert (world.domains, Address.objects.count(), worker.failed_jobs()) == ([], 0, [])
    assert [name for name in NAMES if name in str(rules_in_sandbox().rules)] == []
    if is_believed:
        return
    assert [arn for arns in tenants_in_sandbox().values() for arn in arns if ":identity/" in arn] == []
    with WORLD.lock:
        assert not region_state(ses_backends[DEFAULT_ACCOUNT_ID][settings.AWS_REGION]).identities.keys() & set(NAMES)


# Stories


def transfer(world: World, to: Customer) -> None:
    for domain in world.domains:
        if domain.customer_id != to.pk:
            overrides_services.transfer(domain=domain, to=to, because="Sold.", actor=world.sam)


def bulk_transfer(world: World, to: Customer) -> None:
    rows = [row for row in predict(BatchKind.TRANSFER, tuple(map(DomainLine, NAMES)), viewer=world.sam) if row.works]
    words = {"because": "Sold.", "customer": to.pk, "customer_name": to.name}
    items = domain_actions_services.items_of(rows)
    batches_services.start(kind=BatchKind.TRANSFER, items=items, words=words, actor=world.sam)


def undo_bulk_transfer(world: World) -> None:
    """Stop what the batch has not begun, and transfer back what it has."""
    batch = Batch.objects.get()
    if batch.ended_at is None:
        batches_services.stop(batch=batch, actor=world.sam)
    bulk_transfer(world, world.alice)


def delete(world: World) -> None:
    Domain.objects.update(adopted=True)  # an identity that we neither made nor adopted stays in SES
    for domain in world.domains:
        domain_removal_services.request_removal(domain=domain, typed_name=domain.name, actor=world.olga)


STORIES = {
    "transfer": Story(lambda world: transfer(world, world.bob), lambda world: transfer(world, world.alice)),
    "bulk": Story(lambda world: bulk_transfer(world, world.bob), undo_bulk_transfer),
    "stays": Story(lambda world: transfer(world, world.bob), lambda world: None, holder="Bob"),
}


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)


def calls_of(sandbox: Sandbox) -> int:
    return sum(sandbox.control.call_counts().values())


def interrupted(
    sandbox: Sandbox, initial: InitialState[World], kind: FaultKind, every: int, run: Callable[[World], None]
) -> list[str]:
    """Run it with the fault at each `every`-th of its calls, and return what is wrong afterwards."""
    run(initial.restore())
    calls, wrong = calls_of(sandbox), []
    assert calls
    for nth in range(1, calls + 1, every):
        world = initial.restore()
        sandbox.control.add_fault(kind, nth=nth, seconds=0.01)
        try:
            run(world)
        except AssertionError as error:
            wrong.append(f"call {nth}: {str(error)[:600]}")
        if sandbox.control.faults():
            assert nth > 1  # the number of calls varies a little with what is due by then
            break
    return wrong


def check_reversal(sandbox: Sandbox, story: Story, kind: FaultKind, every: int = 1) -> None:
    def run(world: World) -> None:
        work(world)
        story.undo(world)
        work(world)
        work(world, until_settled=True)
        the_end_is_right(world, story, kind)

    with InitialState(sandbox, lambda: begin(story.do)) as initial:
        wrong = interrupted(sandbox, initial, kind, every, run)
    assert not wrong, "\n".join(wrong)


def check_deletion(sandbox: Sandbox, kind: FaultKind, every: int = 1) -> None:
    """It can't be taken back: nobody gets the name before it is gone, and then whoever adds it starts anew."""

    def run(world: World) -> None:
        world.served = []
        work(world)
        for customer in (world.alice, world.bob):
            for domain in world.domains:
                with pytest.raises(Refused):
                    preflight_services.add(text=domain.name, customer=customer, actor=None)
        work(world, until_settled=True)
        if kind in ("denied", "missing") and world.domains:  # an operator has to review a refused run; the page says so
            assert all(domain.stage_problem for domain in world.domains)
            return
        nothing_is_left(world, is_believed=kind == "missing")
        added = preflight_services.add(text=NAMES[0], customer=world.bob, actor=None)
        assert (added.is_proven, Address.objects.exists()) == (False, False)

    with InitialState(sandbox, lambda: begin(delete)) as initial:
        wrong = interrupted(sandbox, initial, kind, every, run)
    assert not wrong, "\n".join(wrong)


def test_a_transfer_is_undone_whichever_call_ended_the_worker(sandbox: Sandbox) -> None:
    check_reversal(sandbox, STORIES["transfer"], "exit_after", every=10)


def test_a_deletion_leaves_nothing_whichever_call_ended_the_worker(sandbox: Sandbox) -> None:
    check_deletion(sandbox, "exit_after", every=5)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STORIES)
def test_a_reversal_ends_right_with_each_fault_at_each_call(sandbox: Sandbox, name: str, kind: FaultKind) -> None:
    check_reversal(sandbox, STORIES[name], kind)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_a_deletion_leaves_nothing_with_each_fault_at_each_call(sandbox: Sandbox, kind: FaultKind) -> None:
    check_deletion(sandbox, kind)
