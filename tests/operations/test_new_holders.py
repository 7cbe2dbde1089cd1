"""Who holds a name next gets nothing of who held it before: no route, no earlier state, no expectation, no link."""

import pytest
from django.utils import timezone

from domains.models import Domain, ShareLink, Stage
from domains.services import overriding, surveying
from inbound_admin.sandbox.process import Sandbox
from operations.services import domain_removal
from receipt_rules.models import Address, CatchAll, Expectation, PendingChange, Snapshot
from receipt_rules.selectors.finding import addresses_for
from receipt_rules.services import catch_alls, holder_changes, planning, working
from receipt_rules.services.planning import Asked
from tenants.models import Customer, User
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
    catch_alls.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True), endpoint=endpoint)
    set_up_receiving(operator)
    return customer


def removed() -> None:
    domain = Domain.objects.get(name=NAME)
    domain_removal.ask(domain=domain, typed_name=NAME, actor=None)
    working.work()
    domain_removal.work()
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
    holder_changes.look()
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
    made = planning.plan(asked=Asked(snapshot=before.pk))
    assert not any("alice/" in str(rule.delivery) and NAME in rule.recipients for rule in made.after.ours)
    recipients = {each for rule in made.after.ours for each in rule.recipients}
    assert {each for each in recipients if each.endswith(NAME)} == {f"info@{NAME}"}


def test_rolling_back_does_not_bring_a_route_back_for_nobody(alice: Customer, operator: User, sandbox: Sandbox) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    made = planning.plan(asked=Asked(snapshot=before.pk))
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
    made = planning.plan(asked=Asked(snapshot=before.pk))
    assert NAME in {each for rule in made.after.ours for each in rule.recipients}


def test_a_state_from_before_holders_were_kept_gives_nothing_to_a_younger_domain(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    make_ready(NAME, make_customer("Bob"), adopted=True)
    Snapshot.objects.update(holders=None)
    made = planning.plan(asked=Asked(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


def test_rules_of_a_domain_that_staff_move_are_planned_for_its_new_holder_and_lose_no_mail(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    bob = make_customer("Bob")
    working.work()
    assert holder_changes.are_waiting() is False
    overriding.transfer(domain=Domain.objects.get(name=NAME), to=bob, because="sold", actor=make_staff())
    assert places() == {"alice/"}
    working.carry_on()
    working.work()
    assert holder_changes.are_waiting() is False
    pending = PendingChange.objects.get(customer=bob)
    assert "operator" in pending.waits_because  # another place for the same mail needs a copy of the rule set
    approve_and_run(operator, planning.asked_for(customer=bob))
    assert "alice/" not in places()
    assert taken(f"billing@{NAME}") == 1
    assert not PendingChange.objects.exists()


def test_what_rules_kept_while_a_domain_was_a_claim_goes_when_another_proves_it(
    alice: Customer, sandbox: Sandbox
) -> None:
    working.work()
    hers = Domain.objects.get(name=NAME)
    surveying.back_to_claim(domain=hers)
    Address.objects.filter(domain=hers).delete()
    CatchAll.objects.filter(domain=hers).delete()
    assert places() == {"alice/"}
    bobs = make_ready(NAME, make_customer("Bob"), stage=Stage.STARTING)
    working.carry_on()
    working.work()
    assert places() == set()
    bobs.refresh_from_db()
    assert bobs.routes_unchecked is False


def test_what_an_operator_takes_over_keeps_its_routes_until_a_plan_is_approved(
    alice: Customer, sandbox: Sandbox
) -> None:
    working.work()
    Address.objects.filter(address__endswith=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).update(routes_unchecked=False)
    working.work()
    assert places() == {"alice/"}


def test_a_person_of_the_old_holder_sees_nothing_of_the_new_ones(alice: Customer, sandbox: Sandbox) -> None:
    removed()
    make_address(f"billing@{NAME}", make_ready(NAME, make_customer("Bob"), adopted=True))
    assert not addresses_for(make_member(alice)).filter(address__endswith=NAME).exists()
