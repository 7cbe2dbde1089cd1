"""Who holds a name next gets nothing of who held it before: no route, no earlier state, no expectation, no link."""

import pytest
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.drift import services as drift_services
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from operations.domain_removal import services as domain_removal_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.holders import services as holders_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.runs import PendingChange, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import Asked
from sandbox.process import Sandbox
from tests.domains.making import carry_out_deletion
from tests.factories import make_customer, make_member, make_staff
from tests.operations.making import make_ready
from tests.receipt_rules.making import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_operator,
    set_up_receiving,
    taken,
)

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def alice(sandbox: Sandbox, operator: User) -> Customer:
    """Her mail goes to a place of her own."""
    customer = make_customer("Alice")
    domain = make_ready(NAME, customer, adopted=True)
    endpoint = make_endpoint(customer, s3_prefix="alice/")
    make_address(f"billing@{NAME}", domain, endpoint=endpoint)
    addresses_services.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True), endpoint=endpoint)
    set_up_receiving(operator)
    return customer


def removed() -> None:
    domain = Domain.objects.get(name=NAME)
    domain_removal_services.ask(domain=domain, typed_name=NAME, actor=None)
    auto_apply_services.work()
    domain_removal_services.work()
    carry_out_deletion(domain_id=domain.pk)


def places() -> set[str]:
    """Where live rules put the mail of the domain."""
    return {
        action.prefix
        for rule in live().ours
        if any(each.endswith(NAME) for each in rule.recipients)
        for action in rule.delivery.actions
        if hasattr(action, "prefix")
    }


def test_a_new_holder_gets_nothing_of_the_one_before(alice: Customer, sandbox: Sandbox) -> None:
    domain = Domain.objects.get(name=NAME)
    ShareLink.objects.create(domain=domain, expires_at=timezone.now())
    Expectation.objects.create(address=f"never@sub.{NAME}", expected="not_taken")
    Expectation.objects.create(address="kept@other.com")
    assert places() == {"alice/"}
    removed()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    assert not Address.objects.filter(address__endswith=NAME).exists()
    assert not CatchAll.objects.filter(domain=bobs).exists()
    assert not ShareLink.objects.exists()
    assert list(Expectation.objects.values_list("address", flat=True)) == ["kept@other.com"]
    assert (taken(f"billing@{NAME}"), taken("kept@other.com")) == (0, 1)
    make_address(f"billing@{NAME}", bobs)
    holders_services.look()
    approve_and_run(make_operator())
    assert "alice/" not in places()
    assert taken(f"billing@{NAME}") == 1


def test_rolling_back_does_not_bring_a_route_back_for_another_holder(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    make_address(f"info@{NAME}", bobs)
    approve_and_run(operator)
    made = planner_services.plan(asked=Asked(snapshot=before.pk))
    assert not any("alice/" in str(rule.delivery) and NAME in rule.recipients for rule in made.after.ours)
    recipients = {each for rule in made.after.ours for each in rule.recipients}
    assert {each for each in recipients if each.endswith(NAME)} == {f"info@{NAME}"}


def test_rolling_back_does_not_bring_a_route_back_for_nobody(alice: Customer, operator: User, sandbox: Sandbox) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    made = planner_services.plan(asked=Asked(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


@pytest.mark.parametrize("keeps_holders", [True, False])
def test_rolling_back_for_the_same_holder_brings_all_back(
    alice: Customer, operator: User, sandbox: Sandbox, keeps_holders: bool
) -> None:
    before = Snapshot.objects.latest("at")
    if not keeps_holders:
        Snapshot.objects.update(holders=None)  # from before they were kept
    CatchAll.objects.all().delete()
    Address.objects.filter(address__endswith=NAME).delete()
    approve_and_run(operator, typed=live().name)
    assert taken(f"billing@{NAME}") == 0
    made = planner_services.plan(asked=Asked(snapshot=before.pk))
    assert NAME in {each for rule in made.after.ours for each in rule.recipients}


def test_a_state_from_before_holders_were_kept_gives_nothing_to_a_younger_domain(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    make_ready(NAME, make_customer("Bob"), adopted=True)
    Snapshot.objects.update(holders=None)
    made = planner_services.plan(asked=Asked(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


def test_rules_of_a_domain_that_staff_move_are_planned_for_its_new_holder_and_lose_no_mail(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    bob = make_customer("Bob")
    auto_apply_services.work()
    assert holders_services.are_waiting() is False
    overrides_services.transfer(domain=Domain.objects.get(name=NAME), to=bob, because="sold", actor=make_staff())
    assert places() == {"alice/"}
    auto_apply_services.carry_on()
    auto_apply_services.work()
    assert holders_services.are_waiting() is False
    pending = PendingChange.objects.get(customer=bob)
    assert "operator" in pending.waits_because  # another place for the same mail needs a copy of the rule set
    approve_and_run(operator, planner_services.asked_for(customer=bob))
    assert "alice/" not in places()
    assert taken(f"billing@{NAME}") == 1
    assert not PendingChange.objects.exists()


def test_what_rules_kept_while_a_domain_was_a_claim_goes_when_another_proves_it(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    hers = Domain.objects.get(name=NAME)
    drift_services.return_to_claim(domain=hers)
    Address.objects.filter(domain=hers).delete()
    CatchAll.objects.filter(domain=hers).delete()
    assert places() == {"alice/"}
    bobs = make_ready(NAME, make_customer("Bob"), stage=Stage.STARTING)
    auto_apply_services.carry_on()
    auto_apply_services.work()
    assert places() == set()
    bobs.refresh_from_db()
    assert bobs.routes_unchecked is False


def test_what_an_operator_takes_over_keeps_its_routes_until_a_plan_is_approved(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    Address.objects.filter(address__endswith=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).update(routes_unchecked=False)
    auto_apply_services.work()
    assert places() == {"alice/"}


def test_a_person_of_the_old_holder_sees_nothing_of_the_new_ones(alice: Customer, sandbox: Sandbox) -> None:
    removed()
    make_address(f"billing@{NAME}", make_ready(NAME, make_customer("Bob"), adopted=True))
    assert not addresses_for(make_member(alice)).filter(address__endswith=NAME).exists()
