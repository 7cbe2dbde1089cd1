"""A rollback waits for no other customer: SES may be rejecting the mail that names the tenant."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from accounts.roles import Role
from inbound_admin.lib.errors import AwsProblem
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState
from operations.tenant_migration import services as tenant_migration_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.aws_answers import answered
from tests.factories import make_staff
from tests.operations.factories import make_sender, migrate, start_migration

pytestmark = pytest.mark.django_db
BECAUSE = "SES rejects their mail"


def names_tenant(customer: Customer) -> bool:
    return Tenant.objects.get(customer=customer).names_tenant


def test_a_rollback_comes_before_the_customers_of_an_earlier_migration(sandbox: Sandbox) -> None:
    waiting = make_sender(domains=1)
    earlier = tenant_migration_services.plan_migration(choice=tenant_migration_services.one(waiting), actor=None)
    customer = make_sender(domains=1)
    later = migrate(customer)
    tenant_migration_services.start(migration=earlier, actor=None)
    tenant_migration_services.roll_back(migration=later, actor=None, because=BECAUSE)
    with answered("CreateTenant", "AccessDeniedException", status=403), pytest.raises(AwsProblem):
        migration_steps_services.work()
    assert later.items.get().state == ItemState.ROLLED_BACK
    assert earlier.items.get().state == ItemState.RUNNING


def test_every_switch_is_undone_although_ses_answers_nobody(sandbox: Sandbox) -> None:
    customers = [make_sender(name, domains=1) for name in ("A", "B")]
    migration = migrate(*customers)
    tenant_migration_services.roll_back(migration=migration, actor=None, because=BECAUSE)
    sandbox.control.add_fault("throttle", times=50)
    with pytest.raises(AwsProblem):
        migration_steps_services.work()
    assert [names_tenant(each) for each in customers] == [False, False]
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.ROLLING_BACK}
    sandbox.control.clear_faults()
    migration_steps_services.work()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.ROLLED_BACK}


def test_a_customer_that_waits_for_ses_can_be_rolled_back_on_both_pages(sandbox: Sandbox, client: Client) -> None:
    customer = make_sender(domains=1)
    migration = start_migration(customer, make_sender(domains=1))
    with answered("CreateTenant", "AccessDeniedException", status=403), pytest.raises(AwsProblem):
        migration_steps_services.work()
    item = migration.items.get(state=ItemState.RUNNING)
    client.force_login(make_staff(Role.OPERATOR))
    for name, keys, button in (
        ("operations:migration", [migration.pk], "Roll back all</button>"),
        ("operations:migration_item", [migration.pk, item.pk], "Roll back</button>"),
    ):
        url = reverse(name, args=keys)
        page = client.get(url).text
        assert ("?roll_back=1" in page, button in page, "hx-trigger" in page) == (True, False, True)
        page = client.get(url, {"roll_back": "1"}).text
        assert (button in page, "hx-trigger" in page) == (True, False)
    client.post(reverse("operations:migration_item", args=[migration.pk, item.pk]), {"do": "roll_back", "because": "x"})
    migration_steps_services.work()
    assert migration.items.get(pk=item.pk).state == ItemState.ROLLED_BACK


def test_what_waits_for_ses_says_that_it_is_tried_again(sandbox: Sandbox, client: Client) -> None:
    migration = start_migration(make_sender(domains=1))
    sandbox.control.add_fault("throttle", times=9)
    with pytest.raises(AwsProblem):
        migration_steps_services.work()
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("operations:migration_item", args=[migration.pk, migration.items.get().pk])).text
    assert "We retry automatically." in page
    assert "Try again in a moment" not in page
