"""An endpoint that forwards mail back to itself is refused; an older one is shown as not delivered."""

from collections.abc import Iterable

import pytest

from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.services import AddressAsked
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.mail_path import selectors as mail_path_selectors
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import looping, set_ends
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding, ForwardingState
from receipt_rules.route_lookup.selectors import Route, route_lookup
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified
from tests.receipt_rules.test_forwarding import add_forward

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Domain:
    return make_verified("shop.com", customer=make_customer("Alice Ltd"))


def add_to(shop: Domain, text: str, endpoint: Endpoint) -> Address:
    return addresses_services.add_address(text=text, customer=shop.customer, actor=None, endpoint=endpoint)


def test_an_address_that_forwards_to_itself_is_refused(shop: Domain) -> None:
    to_itself = add_forward(shop.customer, "loop@shop.com")
    with pytest.raises(Refused, match="nobody would get it"):
        add_to(shop, "loop@shop.com", to_itself)
    found = addresses_services.add_addresses(
        asked=[AddressAsked("loop@shop.com", to_itself), AddressAsked("ok@shop.com")],
        customer=shop.customer,
        actor=None,
    )
    assert [isinstance(each, Refused) for each in found] == [True, False]
    with pytest.raises(Refused, match="nobody would get it"):
        addresses_services.set_catch_all(domain=shop, actor=None, endpoint=to_itself)
    assert {str(each) for each in Address.objects.all()} == {"ok@shop.com"}


def test_a_loop_over_own_addresses_is_refused_whatever_closes_it(shop: Domain) -> None:
    to_b, to_a = add_forward(shop.customer, "b@shop.com"), add_forward(shop.customer, "x@shop.com", "a@shop.com")
    row = add_to(shop, "a@shop.com", to_b)
    with pytest.raises(Refused) as refusal:
        add_to(shop, "b@shop.com", to_a)
    assert refusal.value.code == "FORWARDS_TO_ITSELF"
    away = add_forward(shop.customer, "desk@shop.com", name="away")
    add_to(shop, "b@shop.com", away)
    with pytest.raises(Refused, match="nobody would get it"):
        endpoints_services.change_endpoint(endpoint=away, actor=None, config={"address": "a@shop.com"})
    away.refresh_from_db()
    assert away.config == {"address": "desk@shop.com"}
    addresses_services.change_address(address=row, actor=None, is_active=False, endpoint=to_b)
    endpoints_services.change_endpoint(endpoint=away, actor=None, config={"address": "a@shop.com"})
    with pytest.raises(Refused, match="nobody would get it"):
        addresses_services.change_address(address=row, actor=None, is_active=True, endpoint=to_b)


def test_mail_to_an_own_address_with_a_webhook_is_no_loop(shop: Domain) -> None:
    add_to(shop, "b@shop.com", make_endpoint(shop.customer))
    add_to(shop, "a@shop.com", add_forward(shop.customer, "b@shop.com"))


def test_an_old_loop_is_shown_in_the_path_and_its_mail_is_not_delivered(shop: Domain) -> None:
    endpoint = add_forward(shop.customer, "loop@shop.com", name="loop")
    row = make_address("loop@shop.com", shop, endpoint=endpoint)
    set_ends([row])
    assert row.end is not None
    assert (row.end.state, row.end.is_delivered) == (HopState.UNDELIVERED, False)
    assert "back to its own address" in row.end.description


def test_a_forward_to_an_own_address_that_forwards_on_is_shown_as_not_delivered(shop: Domain) -> None:
    """The function forwards no message twice: only mail sent to b@ itself arrives."""
    to_c = add_forward(shop.customer, "c@elsewhere.example", name="to c")
    Forwarding.objects.update(state=ForwardingState.CONFIRMED)
    to_b = add_forward(shop.customer, "B@shop.com", name="to b")
    some = make_endpoint(
        shop.customer, type=EndpointType.EMAIL_GROUP, config={"addresses": ["b@shop.com", "d@shop.com"]}
    )
    rows = [add_to(shop, "a@shop.com", to_b), add_to(shop, "b@shop.com", to_c), add_to(shop, "g@shop.com", some)]
    add_to(shop, "d@shop.com", make_endpoint(shop.customer, name="hook"))
    set_ends(rows)
    assert [row.end.state for row in rows if row.end] == [HopState.UNDELIVERED, HopState.OK, HopState.OK]
    assert "no message is forwarded twice" in str(rows[0].end and rows[0].end.description)
    addresses_services.change_address(address=rows[1], actor=None, is_active=False, endpoint=to_c)
    set_ends(rows[:1])
    assert rows[0].end is not None
    assert rows[0].end.state is HopState.OK


def test_groups_that_all_forward_to_each_other_are_followed_once_each(
    shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five groups of fifty addresses, each of which forwards to a group: millions of ways, if each is followed."""
    customer, asked = shop.customer, []
    names = [f"a{number}@shop.com" for number in range(250)]
    groups = [
        make_endpoint(customer, type=EndpointType.EMAIL_GROUP, config={"addresses": names[at : at + 50]})
        for at in range(0, 250, 50)
    ]
    for number, name in enumerate(names):
        make_address(name, shop, endpoint=groups[(number // 50 + 1 + number % 4) % 5])

    def look_up(recipients: Iterable[str]) -> tuple[Route, ...]:
        asked.append(list(recipients))
        return route_lookup(asked[-1])

    monkeypatch.setattr(mail_path_selectors, "route_lookup", look_up)
    assert looping(groups) == {each.pk for each in groups}
    assert max(map(len, asked)) <= 250
    assert len(asked) <= 5
