"""Addresses and catch-alls: who may own them, what each change stores, and the old system's six functions."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.ownership import services as ownership_services
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange
from receipt_rules.planner.services import read_desired_state
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice")


@pytest.fixture
def bob() -> Customer:
    return make_customer("Bob")


@pytest.fixture
def shop(alice: Customer) -> Domain:
    return make_verified("shop.com", customer=alice)


@pytest.fixture(autouse=True)
def one_account(settings: Settings) -> None:
    """Avoid a call for the AWS account number."""
    settings.RECEIVING_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:handler"


def refusal_code(of: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        of()
    return refused.value.code


def entries() -> dict[str, str]:
    """Return the desired state as a mapping from recipient to S3 prefix."""
    found = read_desired_state().desired.entries
    return {recipient: getattr(delivery.actions[0], "prefix", "") for recipient, delivery in found.items()}


def test_an_address_is_stored_in_ses_form_and_logged_once(alice: Customer) -> None:
    make_verified("xn--mller-kva.de", customer=alice)
    actor = make_member(alice)
    made = addresses_services.add_address(text=" <Post.Fach+Neu@MÜLLER.de> ", customer=alice, actor=actor)
    assert made.address == "post.fach+neu@xn--mller-kva.de"
    change = Change.objects.get()
    assert (change.what, change.actor_name, change.customer_id) == ("address.added", actor.email, alice.id)
    assert PendingChange.objects.get().by == actor


@pytest.mark.parametrize(
    "text", ["shop.com", "@shop.com", "a b@shop.com", "ä@shop.com", "a..b@shop.com", "a@", ".a@shop.com"]
)
def test_an_invalid_address_is_refused(shop: Domain, text: str) -> None:
    assert (
        refusal_code(lambda: addresses_services.add_address(text=text, customer=shop.customer, actor=None))
        == "NOT_AN_ADDRESS"
    )


def test_an_address_requires_a_verified_domain_of_the_same_customer(shop: Domain, bob: Customer) -> None:
    make_verified("new.com", customer=bob, stage=Stage.READY, proven_at=None)
    assert (
        refusal_code(lambda: addresses_services.add_address(text="a@shop.com", customer=bob, actor=None))
        == "DOMAIN_MISSING"
    )
    assert (
        refusal_code(lambda: addresses_services.add_address(text="a@else.com", customer=bob, actor=None))
        == "DOMAIN_MISSING"
    )
    assert (
        refusal_code(lambda: addresses_services.add_address(text="a@new.com", customer=bob, actor=None))
        == "DOMAIN_NOT_VERIFIED"
    )


def test_an_address_at_a_subdomain_belongs_to_the_verified_parent_domain(shop: Domain) -> None:
    assert addresses_services.add_address(text="a@eu.shop.com", customer=shop.customer, actor=None).domain == shop


def test_an_address_at_another_customers_subdomain_is_refused(shop: Domain, bob: Customer) -> None:
    make_verified("eu.shop.com", customer=bob)
    for text in ("a@eu.shop.com", "a@deep.eu.shop.com"):
        with pytest.raises(Refused, match="isn't one of Alice"):
            addresses_services.add_address(text=text, customer=shop.customer, actor=None)


def test_an_unproven_claim_does_not_block_the_parent_domains_owner(shop: Domain, bob: Customer) -> None:
    make_verified("eu.shop.com", customer=bob, stage=Stage.CLAIM)
    addresses_services.add_address(text="a@eu.shop.com", customer=shop.customer, actor=None)
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    assert entries() == {".shop.com": ""}


def test_an_address_is_unique_regardless_of_case(shop: Domain) -> None:
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    again = "A@SHOP.com"
    assert (
        refusal_code(lambda: addresses_services.add_address(text=again, customer=shop.customer, actor=None))
        == "ADDRESS_EXISTS"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        make_address("B@shop.com", shop)


def test_a_subdomain_catch_all_is_refused_if_another_customer_owns_a_subdomain(shop: Domain, bob: Customer) -> None:
    make_verified("eu.shop.com", customer=bob)
    code = refusal_code(lambda: addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True))
    assert code == "SUB_DOMAIN_OF_ANOTHER"


def test_a_subdomain_catch_all_excludes_a_subdomain_that_another_customer_verifies_later(
    shop: Domain, bob: Customer
) -> None:
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    addresses_services.add_address(text="old@eu.shop.com", customer=shop.customer, actor=None)
    make_verified("eu.shop.com", customer=bob)
    addresses_services.add_address(text="new@eu.shop.com", customer=bob, actor=None)
    assert entries() == {"new@eu.shop.com": ""}
    addresses_services.add_address(text="old@eu.shop.com", customer=bob, actor=None)
    assert sorted(entries()) == ["new@eu.shop.com", "old@eu.shop.com"]
    alices = Address.objects.filter(address="old@eu.shop.com", domain=shop)
    assert alices.exists(), "what Bob does at his name is not told to Alice"
    assert not Change.objects.filter(what="address.removed").exists()


def test_a_transferred_domain_no_longer_uses_the_previous_owners_endpoint(shop: Domain, bob: Customer) -> None:
    endpoint = make_endpoint(shop.customer, s3_prefix="alice/")
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None, endpoint=endpoint)
    assert entries() == {"a@shop.com": "alice/"}
    Domain.objects.update(customer=bob)
    assert entries() == {"a@shop.com": ""}


def test_another_customers_endpoint_is_refused(shop: Domain, bob: Customer) -> None:
    endpoint, customer = make_endpoint(bob), shop.customer
    row = addresses_services.add_address(text="a@shop.com", customer=customer, actor=None)
    for act in (
        lambda: addresses_services.add_address(text="b@shop.com", customer=customer, actor=None, endpoint=endpoint),
        lambda: addresses_services.change_address(address=row, actor=None, is_active=True, endpoint=endpoint),
        lambda: addresses_services.set_catch_all(domain=shop, actor=None, endpoint=endpoint),
    ):
        assert refusal_code(act) == "ENDPOINT_MISSING"


def test_an_unchanged_address_or_catch_all_logs_no_change(shop: Domain) -> None:
    row = addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    before = Change.objects.count()
    addresses_services.change_address(address=row, actor=None, is_active=True, endpoint=None)
    addresses_services.remove_all(domain=make_verified("empty.com"), actor=None)
    assert Change.objects.count() == before


def test_a_disabled_or_removed_address_is_not_in_the_desired_state(shop: Domain) -> None:
    row = addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    addresses_services.change_address(address=row, actor=None, is_active=False, endpoint=None)
    assert entries() == {}
    addresses_services.remove_address(address=row, actor=None)
    addresses_services.remove_address(address=row, actor=None)
    assert [change.what for change in Change.objects.order_by("pk")] == [
        "address.added",
        "address.changed",
        "address.removed",
    ]


def test_a_prefix_for_each_domain_gives_each_domain_its_own_delivery(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_PREFIX_EACH_DOMAIN = True
    addresses_services.set_catch_all(domain=shop, actor=None)
    addresses_services.set_catch_all(domain=make_verified("two.com"), actor=None)
    assert entries() == {"shop.com": "shop.com/", "two.com": "two.com/"}


# The old system's six functions


def test_addresses_are_kept_while_a_catch_all_is_on_and_receive_after_its_removal(shop: Domain) -> None:
    address = make_address("a@shop.com", shop)
    addresses_services.set_catch_all(domain=shop, actor=None)
    addresses_services.change_address(address=address, actor=None, is_active=False, endpoint=None)
    assert entries() == {"shop.com": ""}
    addresses_services.change_address(address=address, actor=None, is_active=True, endpoint=None)
    addresses_services.set_catch_all(domain=shop, actor=None, is_active=False)
    assert entries() == {"a@shop.com": ""}


def test_an_address_and_a_catch_all_with_equal_delivery_need_one_recipient(shop: Domain) -> None:
    first, second = make_endpoint(shop.customer), make_endpoint(shop.customer)
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None, endpoint=first)
    addresses_services.set_catch_all(domain=shop, actor=None, endpoint=second)
    assert (Address.objects.get().endpoint, CatchAll.objects.get().endpoint) == (first, second)
    assert entries() == {"shop.com": ""}
    addresses_services.set_catch_all(domain=shop, actor=None, is_active=False)
    assert entries() == {"a@shop.com": ""}


def test_the_domain_row_records_whether_it_has_a_catch_all() -> None:
    domain = make_verified("shop.com")
    for act, has in (
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None), True),
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None, is_active=False), False),
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None), True),
        (lambda: addresses_services.remove_all(domain=domain, actor=None), False),
    ):
        act()
        domain.refresh_from_db()
        assert domain.has_catch_all is has


def make_unproven(name: str, customer: Customer) -> Domain:
    """Create a domain that was set up without proof of ownership."""
    return make_verified(name, customer=customer, verified_at=None, proven_at=None)


def test_another_customers_unproven_subdomain_does_not_block_the_owners_address(
    alice: Customer, bob: Customer, shop: Domain
) -> None:
    make_unproven("desk.shop.com", bob)
    made = addresses_services.add_address(text="info@desk.shop.com", customer=alice, actor=None)
    assert made.domain == shop
    assert "info@desk.shop.com" in entries()


def test_another_customers_verified_subdomain_blocks_the_parents_owner(
    alice: Customer, bob: Customer, shop: Domain
) -> None:
    make_verified("desk.shop.com", customer=bob)
    add = partial(addresses_services.add_address, text="info@desk.shop.com", customer=alice, actor=None)
    assert refusal_code(add) == "DOMAIN_MISSING"


def test_the_owners_address_receives_beside_one_at_an_unproven_domain(bob: Customer, alice: Customer) -> None:
    his = make_address("info@shop.com", make_unproven("shop.com", bob))
    assert "info@shop.com" not in entries()
    Domain.objects.update(stage=Stage.CLAIM)
    make_verified("shop.com", customer=alice)
    endpoint = make_endpoint(alice, s3_prefix="alice/")
    addresses_services.add_address(text="info@shop.com", customer=alice, actor=None, endpoint=endpoint)
    assert Address.objects.filter(pk=his.pk).exists()
    assert entries() == {"info@shop.com": "alice/"}


def test_another_customers_unproven_subdomain_does_not_block_a_subdomain_catch_all(bob: Customer, shop: Domain) -> None:
    make_unproven("desk.shop.com", bob)
    addresses_services.set_catch_all(domain=shop, actor=None, endpoint=None, is_active=True, subdomains=True)
    assert ".shop.com" in entries()


def test_an_address_at_the_customers_own_unproven_domain_is_refused_as_not_verified(alice: Customer) -> None:
    make_unproven("shop.com", alice)
    add = partial(addresses_services.add_address, text="info@shop.com", customer=alice, actor=None)
    assert refusal_code(add) == "DOMAIN_NOT_VERIFIED"


def add_waiting_address(text: str, customer: Customer) -> Address:
    return addresses_services.add_address(text=text, customer=customer, actor=None, may_wait=True)


def prove(domain: Domain) -> None:
    with transaction.atomic():
        ownership_services.prove(domain)
        domain.save()


def test_a_waiting_address_is_applied_once_ownership_is_proven(alice: Customer) -> None:
    domain = make_unproven("new.com", alice)
    add_waiting_address("info@new.com", alice)
    assert (entries(), PendingChange.objects.count()) == ({}, 0), "the address is not desired before the proof"
    prove(domain)
    assert list(entries()) == ["info@new.com"]
    change = PendingChange.objects.get()
    assert (change.customer, change.recipients, change.domains) == (alice, ["info@new.com"], [domain.pk])


def test_the_addresses_of_an_adopted_domain_wait_for_a_plan(alice: Customer) -> None:
    domain = make_unproven("new.com", alice)
    add_waiting_address("info@new.com", alice)
    domain.adopted = True
    prove(domain)
    assert not PendingChange.objects.exists()


def test_no_address_waits_at_a_claim_and_another_customers_waiting_address_refuses_none(
    alice: Customer, bob: Customer
) -> None:
    claim = make_unproven("new.com", bob)
    Domain.objects.filter(pk=claim.pk).update(stage=Stage.CLAIM)
    assert refusal_code(lambda: add_waiting_address("info@new.com", bob)) == "DOMAIN_MISSING"
    make_address("info@new.com", claim)
    make_unproven("new.com", alice)
    for text in ("info@new.com", "help@new.com"):  # Bob has one of the two
        assert add_waiting_address(text, alice).domain.customer == alice
        assert refusal_code(partial(add_waiting_address, text, alice)) == "ADDRESS_EXISTS"


def test_an_address_covered_by_a_catch_all_is_stored_under_the_catch_alls_prefix(
    alice: Customer, settings: Settings
) -> None:
    settings.RECEIVING_PREFIX, settings.RECEIVING_PREFIX_EACH_DOMAIN = "emails/", True
    settings.RECEIVING_CATCH_ALL_PREFIX = "catchall/"
    shop, plain = make_verified("shop.com", customer=alice), make_verified("plain.com", customer=alice)
    CatchAll.objects.create(domain=shop)
    CatchAll.objects.create(domain=shop, subdomains=True)
    for address, domain in (("a@shop.com", shop), ("a@eu.shop.com", shop), ("a@plain.com", plain)):
        make_address(address, domain)
    found = "emails/shop.com/catchall/"
    assert entries() == {"shop.com": found, ".shop.com": found, "a@plain.com": "emails/plain.com/"}
    assert not read_desired_state().desired.doubles


def test_a_refused_catch_all_is_the_holders_and_not_that_of_anothers_claim(alice: Customer) -> None:
    claim = make_domain("shop.com", customer=make_customer("Bob"), stage=Stage.CLAIM)
    bobs = CatchAll.objects.create(domain=claim)
    alices = CatchAll.objects.create(domain=make_verified("shop.com", customer=alice))
    assert addresses_services.record_refused(recipient="shop.com", because="Invalid")
    assert list(CatchAll.objects.exclude(refused_because="")) == [alices]
    bobs.refresh_from_db()
    assert not bobs.refused_because


def test_removing_all_of_a_domain_is_one_change_with_an_entry_for_each(alice: Customer) -> None:
    shop = make_verified("shop.com", customer=alice)
    for name in "ab":
        make_address(f"{name}@shop.com", shop)
    CatchAll.objects.create(domain=shop, subdomains=True)
    assert addresses_services.remove_all(domain=shop, actor=None, bulk_id="one") == 2
    assert set(PendingChange.objects.get().recipients or ()) == {"a@shop.com", "b@shop.com", ".shop.com"}
    assert sorted(Change.objects.filter(bulk_id="one").values_list("what", flat=True)) == [
        "address.removed",
        "address.removed",
        "catch_all.removed",
    ]
    assert not CatchAll.objects.exists()
    assert addresses_services.remove_all(domain=shop, actor=None) == 0
