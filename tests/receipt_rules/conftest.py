"""The users of pages about receiving."""

import pytest
from django.test import Client

from accounts.models.people import Customer
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_operator


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice_client(client: Client, alices: Customer) -> Client:
    client.force_login(make_member(alices, email="alice@alice.com"))
    return client


@pytest.fixture
def olga_client(sandbox: Sandbox) -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


@pytest.fixture
def sam_client(sandbox: Sandbox) -> Client:
    client = Client()
    client.force_login(make_staff())
    return client
