"""Alice with her organisation, and a server that receives webhooks."""

from collections.abc import Iterator

import pytest

from accounts.models.people import Customer, User
from tests.factories import make_customer, make_member
from tests.notifications.factories import Receiver, run_receiver


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer) -> User:
    return make_member(customer, email="alice@alice.example")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as made:
        yield made
