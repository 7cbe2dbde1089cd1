"""Two requests about one endpoint, name or recipient at the same moment: the second gets the refusal of the check."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import transaction

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.services import AddressAsked
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.jobs import queue_customer_change
from receipt_rules.legacy_import.services import Import, import_address, import_endpoint
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, Forwarding
from receipt_rules.models.runs import PendingChange
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified
from tests.transactions import MOST_SECONDS, begin, result_of_second

pytestmark = pytest.mark.django_db(transaction=True)
WHO = {"address": "someone@else.example"}


@pytest.fixture
def shop() -> Domain:
    return make_verified("shop.com", customer=make_customer("Alice"))


@pytest.fixture
def hook(shop: Domain) -> Endpoint:
    return make_endpoint(shop.customer)


def add(customer: Customer, name: str) -> Endpoint:
    return endpoints_services.add_endpoint(customer=customer, name=name, type="email", config=WHO, actor=None)


def test_two_endpoints_with_the_same_new_recipient_are_both_added_and_ask_once(shop: Domain) -> None:
    first, second = partial(add, shop.customer, "A"), partial(add, shop.customer, "B")
    assert isinstance(result_of_second(first, second), Endpoint)
    assert Endpoint.objects.count() == 2
    assert Forwarding.objects.get().address == WHO["address"]
    assert Change.objects.filter(what="forwarding.asked").count() == 1


def test_two_endpoints_of_one_name_are_one_and_a_refusal(shop: Domain) -> None:
    end = result_of_second(partial(add, shop.customer, "A"), partial(add, shop.customer, "a"))
    assert isinstance(end, Refused)
    assert end.code == "ENDPOINT_NAME_TAKEN"


def test_an_import_of_an_endpoint_that_is_added_at_this_moment_is_refused(shop: Domain) -> None:
    of = Import(customer=shop.customer, actor=None, because="Moves in", bulk_id="chg_1")

    @transaction.atomic
    def second() -> object:
        return import_endpoint(name="A", kind="email", config=WHO, is_active=True, description="", of=of)

    end = result_of_second(partial(add, shop.customer, "A"), second)
    assert isinstance(end, Refused)
    assert end.code == "ENDPOINT_NAME_TAKEN"


def uses(domain: Domain, endpoint: Endpoint) -> dict[str, Callable[[], object]]:
    """Return each act that refers to an endpoint."""
    customer, asked = domain.customer, [AddressAsked("c@shop.com", endpoint)]
    return {
        "add": partial(
            addresses_services.add_address, text="b@shop.com", customer=customer, actor=None, endpoint=endpoint
        ),
        "add many": partial(addresses_services.add_addresses, asked=asked, customer=customer, actor=None),
        "change": partial(
            addresses_services.change_address,
            address=make_address("a@shop.com", domain),
            actor=None,
            is_active=True,
            endpoint=endpoint,
        ),
        "catch-all": partial(addresses_services.set_catch_all, domain=domain, actor=None, endpoint=endpoint),
    }


@pytest.mark.parametrize("use", ["add", "add many", "change", "catch-all"])
def test_an_endpoint_that_is_removed_at_this_moment_cannot_be_chosen(shop: Domain, hook: Endpoint, use: str) -> None:
    remove = partial(endpoints_services.remove_endpoint, endpoint=hook, actor=None)
    end = result_of_second(remove, uses(shop, hook)[use])
    assert isinstance(end, Refused)
    assert end.code == "ENDPOINT_MISSING"
    assert not Address.objects.exclude(endpoint=None).exists()


@pytest.mark.parametrize("use", ["add", "add many", "change", "catch-all"])
def test_an_endpoint_that_is_chosen_at_this_moment_is_not_removed(shop: Domain, hook: Endpoint, use: str) -> None:
    remove = partial(endpoints_services.remove_endpoint, endpoint=hook, actor=None)
    end = result_of_second(uses(shop, hook)[use], remove)
    assert isinstance(end, Refused)
    assert end.code == "ENDPOINT_IN_USE"
    assert Endpoint.objects.get() == hook


def test_an_endpoint_that_is_removed_at_this_moment_cannot_be_changed(shop: Domain, hook: Endpoint) -> None:
    remove = partial(endpoints_services.remove_endpoint, endpoint=hook, actor=None)
    end = result_of_second(remove, partial(endpoints_services.change_endpoint, endpoint=hook, actor=None, name="B"))
    assert isinstance(end, Refused)
    assert end.code == "ENDPOINT_MISSING"


def test_an_address_that_is_added_at_this_moment_exists_already(shop: Domain) -> None:
    add_address = partial(addresses_services.add_address, text="a@shop.com", customer=shop.customer, actor=None)
    end = result_of_second(add_address, add_address)
    assert isinstance(end, Refused)
    assert end.code == "ADDRESS_EXISTS"


def test_a_catch_all_that_two_turn_on_is_one(shop: Domain) -> None:
    turn_on = partial(addresses_services.set_catch_all, domain=shop, actor=None)
    assert not isinstance(result_of_second(turn_on, turn_on), Exception)


def test_an_import_that_goes_on_to_addresses_does_not_wait_for_one_that_is_added(shop: Domain, hook: Endpoint) -> None:
    """The import has the endpoint and wants the domain; the other has the domain and refers to the endpoint."""
    of = Import(customer=shop.customer, actor=None, because="Moves in", bulk_id="chg_1")
    add_address = partial(
        addresses_services.add_address, text="b@shop.com", customer=shop.customer, actor=None, endpoint=hook
    )
    url, ends = {"url": "https://else.example/in"}, list[object]()
    with transaction.atomic():
        import_endpoint(name=hook.name, kind=hook.type, config=url, is_active=True, description="", of=of)
        thread = begin(add_address, ends)
        import_address(text="a@shop.com", endpoint=hook, is_active=True, of=of)
    thread.join(MOST_SECONDS)
    assert not isinstance(ends[0], Exception), ends
    assert Address.objects.filter(endpoint=hook).count() == 2


def test_two_first_changes_of_a_customer_at_one_moment_are_both_pending(shop: Domain) -> None:
    other = make_verified("books.com", customer=shop.customer)

    def change(domain: Domain) -> None:
        with transaction.atomic():
            queue_customer_change(domain.customer, None, recipients=[f"a@{domain}"], domains=[domain.pk])

    assert result_of_second(partial(change, shop), partial(change, other)) is None
    row = PendingChange.objects.get()
    assert (row.recipients, row.domains) == (["a@books.com", "a@shop.com"], sorted([shop.pk, other.pk]))
