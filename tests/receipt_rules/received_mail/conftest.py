"""A domain of Alice with an address, while the clock stands still."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from accounts.models.people import Customer
from domains.models.domains import Domain
from receipt_rules.models.endpoints import Endpoint
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TO = "a@shop.com"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def bobs() -> Customer:
    return make_customer("Bob Ltd")


@pytest.fixture
def desk(alices: Customer) -> Endpoint:
    return make_endpoint(alices, name="Desk", s3_prefix="alice/")


@pytest.fixture
def shop(alices: Customer, desk: Endpoint) -> Domain:
    domain = make_verified("shop.com", customer=alices)
    make_address(TO, domain, endpoint=desk)
    return domain
