"""Addresses and catch-alls as rows: whose they may be, what each change writes, and the old system's six functions."""

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
from tests.factories import make_customer, make_user
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
    """So that no test here asks for the account."""
    settings.RECEIVING_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:handler"


def refusal(of: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        of()
    return refused.value.code


def entries() -> dict[str, str]:
    """What is wanted of Amazon's rules, as recipient and prefix."""
    found = read_desired_state().desired.entries
    return {recipient: getattr(delivery.actions[0], "prefix", "") for recipient, delivery in found.items()}


def test_an_address_is_stored_as_amazon_writes_it_and_logged_once(alice: Customer) -> None:
    make_verified("xn--mller-kva.de", customer=alice)
    actor = make_user()
    made = addresses_services.add_address(text=" <Post.Fach+Neu@MÜLLER.de> ", customer=alice, actor=actor)
    assert made.address == "post.fach+neu@xn--mller-kva.de"
    change = Change.objects.get()
    assert (change.what, change.actor_name, change.customer_id) == ("address.added", actor.email, alice.id)
    assert PendingChange.objects.get().by == actor


@pytest.mark.parametrize(
    "text", ["shop.com", "@shop.com", "a b@shop.com", "ä@shop.com", "a..b@shop.com", "a@", ".a@shop.com"]
)
def test_what_is_no_address_is_refused(shop: Domain, text: str) -> None:
    assert (
        refusal(lambda: addresses_services.add_address(text=text, customer=shop.customer, actor=None))
        == "NOT_AN_ADDRESS"
    )


def test_an_address_needs_a_proven_domain_of_the_same_customer(shop: Domain, bob: Customer) -> None:
    make_verified("new.com", customer=bob, stage=Stage.READY, proven_at=None)
    assert (
        refusal(lambda: addresses_services.add_address(text="a@shop.com", customer=bob, actor=None)) == "DOMAIN_MISSING"
    )
    assert (
        refusal(lambda: addresses_services.add_address(text="a@else.com", customer=bob, actor=None)) == "DOMAIN_MISSING"
    )
    assert (
        refusal(lambda: addresses_services.add_address(text="a@new.com", customer=bob, actor=None))
        == "DOMAIN_NOT_VERIFIED"
    )


def test_a_name_below_a_verified_domain_inherits_from_it(shop: Domain) -> None:
    assert addresses_services.add_address(text="a@eu.shop.com", customer=shop.customer, actor=None).domain == shop


def test_a_sub_domain_of_another_customer_is_theirs(shop: Domain, bob: Customer) -> None:
    make_verified("eu.shop.com", customer=bob)
    for text in ("a@eu.shop.com", "a@deep.eu.shop.com"):
        with pytest.raises(Refused, match="isn't one of Alice"):
            addresses_services.add_address(text=text, customer=shop.customer, actor=None)


def test_an_unproven_claim_is_in_nobodys_way(shop: Domain, bob: Customer) -> None:
    make_verified("eu.shop.com", customer=bob, stage=Stage.CLAIM)
    addresses_services.add_address(text="a@eu.shop.com", customer=shop.customer, actor=None)
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    assert entries() == {".shop.com": ""}


def test_one_address_is_there_once(shop: Domain) -> None:
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    again = "A@SHOP.com"
    assert (
        refusal(lambda: addresses_services.add_address(text=again, customer=shop.customer, actor=None))
        == "ADDRESS_EXISTS"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        make_address("B@shop.com", shop)


def test_everything_below_a_domain_is_refused_while_another_customer_holds_a_name_there(
    shop: Domain, bob: Customer
) -> None:
    make_verified("eu.shop.com", customer=bob)
    code = refusal(lambda: addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True))
    assert code == "SUB_DOMAIN_OF_ANOTHER"


def test_a_catch_all_below_never_reaches_into_a_sub_domain_that_another_customer_proves_later(
    shop: Domain, bob: Customer
) -> None:
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    addresses_services.add_address(text="old@eu.shop.com", customer=shop.customer, actor=None)
    make_verified("eu.shop.com", customer=bob)
    addresses_services.add_address(text="new@eu.shop.com", customer=bob, actor=None)
    assert entries() == {"new@eu.shop.com": ""}
    addresses_services.add_address(text="old@eu.shop.com", customer=bob, actor=None)
    assert Address.objects.get(address="old@eu.shop.com").domain.customer == bob
    assert Change.objects.get(what="address.removed").customer_id == shop.customer_id


def test_a_domain_that_moved_leaves_its_endpoints_behind(shop: Domain, bob: Customer) -> None:
    endpoint = make_endpoint(shop.customer, s3_prefix="alice/")
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None, endpoint=endpoint)
    assert entries() == {"a@shop.com": "alice/"}
    Domain.objects.update(customer=bob)
    assert entries() == {"a@shop.com": ""}


def test_an_endpoint_of_another_customer_is_refused(shop: Domain, bob: Customer) -> None:
    endpoint, customer = make_endpoint(bob), shop.customer
    row = addresses_services.add_address(text="a@shop.com", customer=customer, actor=None)
    for act in (
        lambda: addresses_services.add_address(text="b@shop.com", customer=customer, actor=None, endpoint=endpoint),
        lambda: addresses_services.change_address(address=row, actor=None, is_active=True, endpoint=endpoint),
        lambda: addresses_services.set_catch_all(domain=shop, actor=None, endpoint=endpoint),
    ):
        assert refusal(act) == "ENDPOINT_MISSING"


def test_a_change_that_changes_nothing_writes_nothing(shop: Domain) -> None:
    row = addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    before = Change.objects.count()
    addresses_services.change_address(address=row, actor=None, is_active=True, endpoint=None)
    addresses_services.remove_catch_all(domain=shop, actor=None)
    assert Change.objects.count() == before


def test_an_address_that_is_off_or_gone_is_not_wanted(shop: Domain) -> None:
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


def test_with_a_prefix_for_each_domain_no_two_domains_share_a_rule(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_PREFIX_EACH_DOMAIN = True
    addresses_services.set_catch_all(domain=shop, actor=None)
    addresses_services.set_catch_all(domain=make_verified("two.com"), actor=None)
    assert entries() == {"shop.com": "shop.com/", "two.com": "two.com/"}


# The six functions


def test_catch_all_keeps_the_addresses_and_without_it_they_take_mail_again(shop: Domain) -> None:
    address = make_address("a@shop.com", shop)
    addresses_services.set_catch_all(domain=shop, actor=None)
    addresses_services.change_address(address=address, actor=None, is_active=False, endpoint=None)
    assert entries() == {"shop.com": ""}
    addresses_services.change_address(address=address, actor=None, is_active=True, endpoint=None)
    addresses_services.remove_catch_all(domain=shop, actor=None)
    assert entries() == {"a@shop.com": ""}


def test_mixed_mode_has_both_and_needs_one_entry_where_the_delivery_is_the_same(shop: Domain) -> None:
    first, second = make_endpoint(shop.customer), make_endpoint(shop.customer)
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None, endpoint=first)
    addresses_services.set_catch_all(domain=shop, actor=None, endpoint=second)
    assert (Address.objects.get().endpoint, CatchAll.objects.get().endpoint) == (first, second)
    assert entries() == {"shop.com": ""}
    addresses_services.remove_catch_all(domain=shop, actor=None)
    assert entries() == {"a@shop.com": ""}


def test_the_list_of_domains_is_told_of_a_catch_all() -> None:
    domain = make_verified("shop.com")
    for act, has in (
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None), True),
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None, is_active=False), False),
        (lambda: addresses_services.set_catch_all(domain=domain, actor=None), True),
        (lambda: addresses_services.remove_catch_all(domain=domain, actor=None), False),
    ):
        act()
        domain.refresh_from_db()
        assert domain.has_catch_all is has


def unproven(name: str, customer: Customer) -> Domain:
    """Set up without a proof: in nobody's way."""
    return make_verified(name, customer=customer, verified_at=None, proven_at=None)


def test_an_unproven_sub_domain_of_a_stranger_keeps_the_owner_from_no_address(
    alice: Customer, bob: Customer, shop: Domain
) -> None:
    unproven("desk.shop.com", bob)
    made = addresses_services.add_address(text="info@desk.shop.com", customer=alice, actor=None)
    assert made.domain == shop
    assert "info@desk.shop.com" in entries()


def test_a_proven_sub_domain_of_a_stranger_does(alice: Customer, bob: Customer, shop: Domain) -> None:
    make_verified("desk.shop.com", customer=bob)
    add = partial(addresses_services.add_address, text="info@desk.shop.com", customer=alice, actor=None)
    assert refusal(add) == "DOMAIN_MISSING"


def test_an_address_left_at_an_unproven_row_gives_way_to_the_owners(bob: Customer, alice: Customer) -> None:
    his = make_address("info@shop.com", unproven("shop.com", bob))
    assert "info@shop.com" not in entries()
    Domain.objects.update(stage=Stage.CLAIM)
    make_verified("shop.com", customer=alice)
    made = addresses_services.add_address(text="info@shop.com", customer=alice, actor=None)
    assert not Address.objects.filter(pk=his.pk).exists()
    assert list(entries()) == [made.address]


def test_an_unproven_sub_domain_of_a_stranger_stops_no_catch_all_below(bob: Customer, shop: Domain) -> None:
    unproven("desk.shop.com", bob)
    addresses_services.set_catch_all(domain=shop, actor=None, endpoint=None, is_active=True, subdomains=True)
    assert ".shop.com" in entries()


def test_ones_own_domain_that_is_not_proven_is_said_to_be_unverified(alice: Customer) -> None:
    unproven("shop.com", alice)
    add = partial(addresses_services.add_address, text="info@shop.com", customer=alice, actor=None)
    assert refusal(add) == "DOMAIN_NOT_VERIFIED"


def waiting(text: str, customer: Customer) -> Address:
    return addresses_services.add_address(text=text, customer=customer, actor=None, may_wait=True)


def prove(domain: Domain) -> None:
    with transaction.atomic():
        ownership_services.prove(domain)
        domain.save()


def test_an_address_may_wait_for_the_proof_and_is_carried_out_with_it(alice: Customer) -> None:
    domain = unproven("new.com", alice)
    waiting("info@new.com", alice)
    assert (entries(), PendingChange.objects.count()) == ({}, 0), "nothing is wanted before the proof"
    prove(domain)
    assert list(entries()) == ["info@new.com"]
    change = PendingChange.objects.get()
    assert (change.customer, change.recipients, change.domains) == (alice, ["info@new.com"], [domain.pk])


def test_the_addresses_of_an_adopted_domain_wait_for_a_plan(alice: Customer) -> None:
    domain = unproven("new.com", alice)
    waiting("info@new.com", alice)
    domain.adopted = True
    prove(domain)
    assert not PendingChange.objects.exists()


def test_no_address_waits_at_a_claim_and_what_others_wait_for_is_not_told(alice: Customer, bob: Customer) -> None:
    claim = unproven("new.com", bob)
    Domain.objects.filter(pk=claim.pk).update(stage=Stage.CLAIM)
    assert refusal(lambda: waiting("info@new.com", bob)) == "DOMAIN_MISSING"
    make_address("info@new.com", claim)
    unproven("new.com", alice)
    assert refusal(lambda: waiting("info@new.com", alice)) == "DOMAIN_NOT_VERIFIED"
    own = waiting("help@new.com", alice)
    assert refusal(lambda: waiting("help@new.com", alice)) == "ADDRESS_EXISTS"
    assert own.domain.customer == alice


def test_an_address_beside_a_catch_all_is_stored_where_the_catch_all_is(alice: Customer, settings: Settings) -> None:
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
