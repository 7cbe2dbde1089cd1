"""The sandbox's pages while no sandbox runs."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from tests.domains.factories import make_domain

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9"])
@pytest.mark.parametrize("page", ["zones", "faults", "mail"])
def test_a_sandbox_page_says_that_no_sandbox_runs(
    alice_client: Client, alice: Customer, settings: Any, page: str, address: str
) -> None:
    make_domain("shop.example.com", customer=alice)
    settings.AWS_ENDPOINT_URL = address
    answer = alice_client.get(reverse(f"sandbox:{page}"))
    assert answer.status_code == 504
    assert "The sandbox isn’t responding" in answer.text.replace("&#x27;", "’").replace("'", "’")
