"""Alice and Bob, who must never see each other's domains."""

import pytest

from accounts.models.people import Customer
from tests.factories import make_customer, make_member


@pytest.fixture
def alice() -> Customer:
    customer = make_customer("Alice Ltd")
    make_member(customer, email="alice@alice.example")
    return customer


@pytest.fixture
def bob() -> Customer:
    customer = make_customer("Bob Ltd")
    make_member(customer, email="bob@bob.example")
    return customer
