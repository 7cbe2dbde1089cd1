"""Two requests that change one address at the same moment."""

import pytest

from public_api.endpoints import services as endpoints_services
from receipt_rules.models.addresses import Address
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db


def test_of_two_requests_at_once_neither_undoes_what_the_other_changed() -> None:
    customer = make_customer("Alice Ltd")
    owner, old, new = make_member(customer), make_endpoint(customer), make_endpoint(customer)
    key = make_address("a@shop.com", make_verified("shop.com", customer=customer), endpoint=old).pk
    rows = Address.objects.select_related("domain__customer", "endpoint")
    first, second = rows.get(pk=key), rows.get(pk=key)
    endpoints_services.change(address=first, is_active=None, actor=owner, endpoint_id=new.pk)
    endpoints_services.change(address=second, is_active=False, actor=owner)
    assert (rows.get(pk=key).endpoint, rows.get(pk=key).is_active) == (new, False)
    endpoints_services.change(address=first, is_active=None, actor=owner, endpoint_id=None)
    assert (rows.get(pk=key).endpoint, rows.get(pk=key).is_active) == (None, False)
