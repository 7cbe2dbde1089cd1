"""Alice with her organisation, and a server that takes webhooks."""

from collections.abc import Iterator

import pytest

from tenants.models import Customer, User
from tests.alerts.making import Receiver, receiving
from tests.factories import make_customer, make_member


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer) -> User:
    return make_member(customer, email="alice@alice.example")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
