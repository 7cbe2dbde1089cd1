"""Which customer a text names: never one of several."""

import pytest

from accounts.models.people import Customer
from accounts.people.selectors import customers_called
from tests.factories import make_customer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", [2, 3])
def test_a_name_that_several_customers_have_names_none_of_them(number: int) -> None:
    same = [make_customer("Acme") for _ in range(number)]
    other = make_customer("Straße Ltd")
    texts = ("acme", same[0].pk, "STRASSE LTD", "nobody")
    found = customers_called(texts, Customer.objects.all())
    assert found == {"acme": None, same[0].pk: same[0], "STRASSE LTD": other, "nobody": None}
