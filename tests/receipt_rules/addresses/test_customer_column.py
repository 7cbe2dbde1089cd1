"""PostgreSQL keeps the customer of an address: its domain's."""

from importlib import import_module

import pytest
from django.db import connection

from domains.models.domains import Domain
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.models.addresses import Address
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


def test_it_is_set_whoever_writes_the_row() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    hers, his = make_domain("a.example", customer=alice), make_domain("b.example", customer=bob)
    created = Address.objects.create(domain=hers, address="one@a.example")
    Address.objects.bulk_create([Address(domain=his, address="two@b.example", customer=alice)])
    assert dict(Address.objects.values_list("address", "customer")) == {
        "one@a.example": alice.pk,
        "two@b.example": bob.pk,
    }
    assert created.customer_id is None  # the object was made before
    created.is_active = False
    created.save()
    Address.objects.filter(address="two@b.example").update(customer=alice)
    assert list(Address.objects.order_by("address").values_list("customer", flat=True)) == [alice.pk, bob.pk]


def test_it_follows_the_domain_to_another_customer() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    moved, kept = make_domain("a.example", customer=alice), make_domain("b.example", customer=alice)
    for domain in (moved, kept):
        Address.objects.create(domain=domain, address=f"info@{domain}")
    Domain.objects.filter(pk=moved.pk).update(customer=bob)
    assert dict(Address.objects.values_list("address", "customer")) == {
        "info@a.example": bob.pk,
        "info@b.example": alice.pk,
    }
    assert [str(each) for each in addresses_for(make_member(bob))] == ["info@a.example"]
    assert [str(each) for each in addresses_for(make_member(alice))] == ["info@b.example"]


def test_members_of_two_customers_and_of_none_see_their_own() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    for customer, name in ((alice, "a.example"), (bob, "b.example"), (make_customer("Carol"), "c.example")):
        Address.objects.create(domain=make_domain(name, customer=customer), address=f"info@{name}")
    both = make_member(alice)
    bob.memberships.create(user=both)
    assert [str(each) for each in addresses_for(both)] == ["info@a.example", "info@b.example"]
    bob.memberships.all().delete()
    alice.memberships.all().delete()
    assert list(addresses_for(both)) == []


def test_the_migration_fills_existing_rows_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    migration = import_module("receipt_rules.migrations.0030_address_customer")
    monkeypatch.setattr(migration, "AT_ONCE", 2)
    domain = make_domain("a.example")
    Address.objects.bulk_create(Address(domain=domain, address=f"{n}@a.example") for n in range(5))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE receipt_rules_address DISABLE TRIGGER address_customer")
        cursor.execute("UPDATE receipt_rules_address SET customer_id = NULL")
        cursor.execute("ALTER TABLE receipt_rules_address ENABLE TRIGGER address_customer")
    assert Address.objects.filter(customer=None).count() == 5
    with connection.schema_editor(atomic=False) as editor:
        migration.fill(None, editor)
    assert set(Address.objects.values_list("customer", flat=True)) == {domain.customer_id}
