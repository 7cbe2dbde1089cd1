"""Staff stop a customer's receiving, whatever the customer configures, and resume it."""

import pytest

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.runs import PendingChange, ReceivingStop, Run, RunKind
from receipt_rules.planner.core.consequences import ConsequenceKind
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


@pytest.fixture
def alice(sandbox: Sandbox) -> Customer:
    """Alice and Bob receive mail; their addresses may share a rule."""
    customer, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_verified("alice.com", customer=customer)
    for number in range(60):  # more than the limit for changes without an operator
        make_address(f"a{number}@alice.com", domain)
    make_address("bob@bob.com", make_verified("bob.com", customer=bob))
    set_up_receiving()
    return customer


def test_a_stop_plan_affects_only_that_customers_recipients(alice: Customer) -> None:
    plan = auto_apply_services.plan_to_stop(customer=alice)
    assert [each.kind for each in plan.consequences] == [ConsequenceKind.LOSES] * 60


def test_receiving_is_stopped_and_resumed_without_an_operator(alice: Customer, tess: User) -> None:
    auto_apply_services.stop(customer=alice, because="phishing", actor=tess)
    assert rule_count("a1@alice.com") == 1
    auto_apply_services.work()
    assert (rule_count("a1@alice.com"), rule_count("bob@bob.com")) == (0, 1)
    row = ReceivingStop.objects.get(customer=alice)
    assert row.settled_at is not None
    run = Run.objects.latest("created_at")
    assert (run.kind, run.approved_by) == (RunKind.APPROVED, tess)
    auto_apply_services.resume(customer=alice, because="settled", actor=tess)
    auto_apply_services.work()
    assert (rule_count("a1@alice.com"), rule_count("a59@alice.com")) == (1, 1)
    assert not PendingChange.objects.exists()
    whats = Change.objects.filter(object_id=alice.pk).order_by("pk").values_list("what", flat=True)
    assert [what for what in whats if what.startswith("receiving")] == ["receiving.stopped", "receiving.resumed"]


def test_a_stopped_customer_can_add_addresses_but_receives_no_mail(alice: Customer, tess: User) -> None:
    auto_apply_services.stop(customer=alice, because="phishing", actor=tess)
    auto_apply_services.work()
    addresses_services.add_address(text="new@alice.com", customer=alice, endpoint=make_endpoint(alice), actor=None)
    auto_apply_services.work()
    assert rule_count("new@alice.com") == 0
    assert not PendingChange.objects.exists()
    assert drift_services.check_drift() == ()
    auto_apply_services.resume(customer=alice, because="settled", actor=tess)
    auto_apply_services.work()
    assert rule_count("new@alice.com") == 1


def test_a_repeated_stop_is_logged_once(alice: Customer, tess: User) -> None:
    for _ in range(2):
        auto_apply_services.stop(customer=alice, because="phishing", actor=tess)
    assert Change.objects.filter(what="receiving.stopped").count() == 1


def test_an_operator_without_pause_permission_cannot_stop_receiving(alice: Customer) -> None:
    with pytest.raises(Refused, match="Trust & Safety"):
        auto_apply_services.stop(customer=alice, because="x", actor=make_staff(Role.OPERATOR))
