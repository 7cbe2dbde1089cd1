"""The API removes an endpoint that is in use while others change it or choose it: nobody waits in a circle."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from public_api.endpoints import services as public_endpoints
from receipt_rules.addresses import services as addresses_services
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.endpoints.services import SesOptions
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified
from tests.transactions import MOST_SECONDS, begin

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Domain:
    return make_verified("shop.com", customer=make_customer("Alice"))


@pytest.fixture
def hook(shop: Domain) -> Endpoint:
    hook = make_endpoint(shop.customer)
    make_address("a@shop.com", shop, endpoint=hook)
    return hook


def others(shop: Domain, hook: Endpoint) -> dict[str, Callable[[], object]]:
    """Return what somebody else does with the endpoint at that moment."""
    ses, other = replace(SesOptions(), s3_prefix="theirs/"), make_verified("other.com", customer=shop.customer)
    add = partial(addresses_services.add_address, customer=shop.customer, actor=None, endpoint=hook)
    return {
        "its SES options": partial(endpoints_services.change_endpoint, endpoint=hook, actor=make_operator(), ses=ses),
        "a new address": partial(add, text="b@shop.com"),
        "a new address at another domain": partial(add, text="b@other.com"),
        "a catch-all": partial(addresses_services.set_catch_all, domain=other, actor=None, endpoint=hook),
    }


@pytest.mark.parametrize("what", ["its SES options", "a new address", "a new address at another domain", "a catch-all"])
def test_a_removal_through_the_api_ends_whatever_others_do_with_the_endpoint(
    shop: Domain, hook: Endpoint, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other begins when the removal has changed the addresses, and removes the endpoint itself next."""
    act, remove = others(shop, hook)[what], endpoints_services.remove_endpoint
    ends: list[Any] = []
    begun: list[threading.Thread] = []

    def meanwhile(**words: Any) -> None:
        begun.append(begin(act, ends))
        remove(**words)

    monkeypatch.setattr(public_endpoints, "remove_endpoint", meanwhile)
    public_endpoints.remove(endpoint=hook, actor=make_member(shop.customer))
    begun[0].join(MOST_SECONDS)
    assert isinstance(ends[0], Refused), ends
    assert ends[0].code == "ENDPOINT_MISSING"
    assert not Endpoint.objects.exists()
    assert [(row.address, row.endpoint) for row in Address.objects.all()] == [("a@shop.com", None)]
