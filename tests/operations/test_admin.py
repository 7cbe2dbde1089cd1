"""Rows that span the apps are read-only in Django admin."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from accounts.roles import Role
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_difference, make_item

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", ["migration", "migrationitem", "difference"])
def test_rows_are_read_only(client: Client, model: str) -> None:
    client.force_login(make_staff(Role.ADMIN))
    customer = make_customer("Northwind")
    item = make_item(customer)
    item.steps.create(number=1, kind="tenant", sentence="Create the tenant.", state="to_do")
    rows = {"migration": item.migration, "migrationitem": item, "difference": make_difference(customer)}
    assert client.get(reverse(f"admin:operations_{model}_changelist")).status_code == 200
    url = reverse(f"admin:operations_{model}_change", args=[rows[model].pk])
    page = client.get(url).content.decode()
    assert 'name="_save"' not in page
    assert client.post(url, {}).status_code == 403
    assert client.get(reverse(f"admin:operations_{model}_add")).status_code == 403


def test_a_refused_change_is_shown_in_its_form_with_what_was_typed(client: Client) -> None:
    admin = make_staff(Role.ADMIN)
    client.force_login(admin)
    customer = make_customer("Northwind")
    url = reverse("admin:accounts_customer_change", args=[customer.pk])
    refused = client.post(url, {"name": "\u2800\u3164"})
    assert "Enter a name." in refused.text
    assert 'name="_save"' in refused.text
    assert 'value="\u2800\u3164"' in refused.text
    owner = make_member(customer).memberships.get()
    last = client.post(reverse("admin:accounts_membership_change", args=[owner.pk]), {"role": "member"})
    assert "last owner" in last.text
    assert '<option value="member" selected>' in last.text
    own = reverse("admin:accounts_user_change", args=[admin.pk])
    given = {"email": admin.email, "first_name": "Adam", "is_staff": "on", "groups": [admin.groups.get().pk]}
    assert "can&#x27;t disable your own account" in client.post(own, given).text
    assert 'value="Adam"' in client.post(own, given).text
    owner.refresh_from_db()
    assert owner.role == "owner"


def test_a_customer_that_was_in_a_migration_is_deleted_with_its_history(client: Client) -> None:
    client.force_login(make_staff(Role.ADMIN))
    customer = make_customer("Northwind")
    item = make_item(customer)
    item.steps.create(number=1, kind="tenant", sentence="Create the tenant.", state="to_do")
    make_difference(customer)
    url = reverse("admin:accounts_customer_delete", args=[customer.pk])
    assert "Are you sure" in client.get(url).text
    client.post(url, {"post": "yes", "because": "Left us."})
    assert not Customer.objects.filter(pk=customer.pk).exists()
    assert item.migration.items.count() == 0
