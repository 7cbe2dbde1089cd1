"""Who locks several rows locks them in the order of their IDs, as the worker does: nobody waits in a circle."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer
from accounts.roles import Role
from domains.adoption.services import SesIdentities
from domains.models.domains import Domain
from domains.overrides.services import transfer
from domains.ownership_claims.services import approve_claim
from domains.receiving.core import RulesFact
from domains.receiving.services import record_rules
from operations.legacy_import.core import ParsedRow, RowKind
from operations.legacy_rows.services import ImportContext, import_rows
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.services import AddressAsked
from receipt_rules.jobs import queue_customer_change, record_wait
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, ReceivingStop
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.receiving.services import record_live_rules
from tenants.pause.services import lock_tenants
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address, make_verified
from tests.tenants.factories import make_tenant
from tests.transactions import MOST_SECONDS, begin

pytestmark = pytest.mark.django_db(transaction=True)


def paste(texts: list[str], customer: Customer) -> object:
    asked = [AddressAsked(text) for text in texts]
    return addresses_services.add_addresses(asked=asked, customer=customer, actor=None)


@transaction.atomic
def move_in(texts: list[str], customer: Customer) -> object:
    rows = [ParsedRow(RowKind.ADDRESS, customer.pk, text, {"endpoint": "", "is_active": True}) for text in texts]
    return import_rows(rows, ImportContext(None, "Contract 12", "chg_1", SesIdentities({})))


@pytest.mark.parametrize("act", [paste, move_in])
def test_addresses_at_several_domains_are_added_while_the_worker_stores_what_the_rules_do(
    act: Callable[[list[str], Customer], object],
) -> None:
    customer = make_customer("Alice")
    first, second = sorted((make_verified(customer=customer) for _ in range(2)), key=lambda domain: domain.pk)
    ends: list[Any] = []
    with transaction.atomic():
        record_rules(domain_id=first.pk, rules={first.name: RulesFact.CARRIED})
        thread = begin(lambda: act([f"Bob <b@{second.name.upper()}>", f"a@{first.name}"], customer), ends)
        record_rules(domain_id=second.pk, rules={second.name: RulesFact.CARRIED})
    thread.join(MOST_SECONDS)
    assert not isinstance(ends[0], Exception)
    assert set(Address.objects.values_list("address", flat=True)) == {f"a@{first.name}", f"b@{second.name}"}


@pytest.mark.parametrize("comes_from_another", [False, True])
def test_addresses_at_two_domains_are_added_while_one_of_them_becomes_the_customers(comes_from_another: bool) -> None:
    """The holder's address at the other domain is merged: the paste has locked that domain, and locks this one next."""
    customer = make_customer("Alice")
    other = make_verified("shop.com", pk="dom_1", customer=customer)
    own: dict[str, Any] = {"customer": make_customer("Bob")} if comes_from_another else {"proven_at": None}
    moved = make_verified("track.shop.com", pk="dom_2", **({"customer": customer} | own))
    for domain in (other, moved):
        make_address("a@track.shop.com", domain)
    actor, ends = make_staff(Role.OPERATOR), list[Any]()

    def act() -> None:
        if comes_from_another:
            transfer(domain=moved, to=customer, because="As agreed", actor=actor)
        else:
            approve_claim(domain=moved, because="As agreed", actor=actor)

    with transaction.atomic():
        record_rules(domain_id=other.pk, rules={})
        thread = begin(act, ends)
        record_rules(domain_id=moved.pk, rules={})
    thread.join(MOST_SECONDS)
    assert ends == [None]
    assert list(Address.objects.values_list("domain", flat=True)) == [moved.pk]


@pytest.mark.usefixtures("sandbox")
def test_a_domain_is_proven_while_the_worker_settles_the_stop_of_its_customer() -> None:
    """The worker locks tenants, then the pending change."""
    alice = make_customer("Alice")
    domain, tenant = make_verified("shop.com", customer=alice, proven_at=None), make_tenant(alice)
    make_address("a@shop.com", domain)
    ReceivingStop.objects.create(customer=alice, is_stopped=True, asked_at=timezone.now(), settled_at=timezone.now())
    queue_customer_change(alice, None)
    actor, ends = make_staff(Role.OPERATOR), list[Any]()
    with transaction.atomic():
        assert lock_tenants(customer=alice) == [tenant]
        thread = begin(lambda: approve_claim(domain=domain, because="As agreed", actor=actor), ends)
        PendingChange.objects.filter(customer=alice).delete()
    thread.join(MOST_SECONDS)
    assert ends == [None]


@pytest.mark.usefixtures("sandbox")
def test_an_address_is_changed_while_the_worker_stores_what_the_rules_do_with_it() -> None:
    domain = make_verified("shop.com")
    address, ends = make_address("a@shop.com", domain, rules=RulesFact.CARRIED), list[Any]()
    with transaction.atomic():
        addresses_services.lock_domain(domain)
        thread = begin(lambda: record_live_rules(RuleSet(""), is_ours=True), ends)
        addresses_services.change_address(address=address, actor=None, is_active=False, endpoint=None)
    thread.join(MOST_SECONDS)
    assert ends == [None]
    assert not Address.objects.get().is_active


@pytest.fixture
def nested() -> tuple[Domain, Domain, Domain]:
    """Domains of two customers, one below the other, sorted by their IDs; and a third below both."""
    people = sorted((make_customer() for _ in range(2)), key=lambda each: each.pk)
    lower, higher = people
    above = make_verified("shop.com", customer=lower), make_verified("b.shop.com", customer=higher)
    below = make_verified("a.b.shop.com", customer=make_customer(), proven_at=timezone.now())
    make_address("1@a.b.shop.com", above[1])
    make_address("2@a.b.shop.com", above[0])
    PendingChange.objects.all().delete()
    return (*above, below)


def meanwhile(nested: tuple[Domain, Domain, Domain], act: Callable[[], object]) -> object:
    """Return the result of the act, which begins between a change of the one customer and one of the other."""
    ends: list[Any] = []
    with transaction.atomic():
        queue_customer_change(nested[0].customer, None)
        thread = begin(act, ends)
        queue_customer_change(nested[1].customer, None)
    thread.join(MOST_SECONDS)
    return ends[0]


def test_a_domain_below_those_of_two_customers_is_deleted_while_both_change(
    nested: tuple[Domain, Domain, Domain],
) -> None:
    assert not isinstance(meanwhile(nested, nested[2].delete), Exception)
    assert not Domain.objects.filter(pk=nested[2].pk).exists()


def test_all_changes_no_longer_wait_while_two_customers_change_more(nested: tuple[Domain, Domain, Domain]) -> None:
    for domain in (nested[1], nested[0]):
        queue_customer_change(domain.customer, None)
    assert not isinstance(meanwhile(nested, lambda: record_wait("")), Exception)
