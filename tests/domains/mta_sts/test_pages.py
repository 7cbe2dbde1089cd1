"""A domain that MTA-STS blocks: each page says why and what to do once, and to whom it falls."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.roles import Role
from domains.models.domains import Domain
from domains.mta_sts.core import Block
from domains.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_member, make_staff
from tests.receipt_rules.factories import make_address

pytestmark = pytest.mark.django_db
STEP = "Add the line “mx: inbound-smtp.eu-west-1.amazonaws.com” to the policy."


@pytest.fixture
def domain(sandbox: Sandbox) -> Domain:
    now = timezone.now()
    block = Block("Senders that follow MTA-STS don't deliver mail for shop.com.", STEP, now + timedelta(days=7), "1")
    facts: dict[str, Any] = {
        "stage": "ready",
        "state": "wrong",
        "identity_status": "SUCCESS",
        "mx_facts": {"shop.com": "here"},
    }
    made = make_domain("shop.com", mta_sts_block=block.as_json(), summary=block.sentence, **facts)
    receiving_services.update_receiving_state(made, now)
    made.save()
    assert made.receiving.state == "mta_sts"
    return made


def read(client: Client, name: str, domain: Domain) -> str:
    return client.get(reverse(name, args=[domain.pk])).text


def test_the_records_page_says_once_what_to_do(client: Client, domain: Domain) -> None:
    client.force_login(make_member(domain.customer))
    page = read(client, "domains:detail", domain)
    assert page.count(escape(STEP)) == 1
    Domain.objects.filter(pk=domain.pk).update(summary=f"{domain.summary} Publish 1 more DNS record.")
    assert "Publish 1 more DNS record." in read(client, "domains:detail", domain)


def test_the_inbound_tab_does_not_repeat_it_at_each_address(client: Client, domain: Domain) -> None:
    for address in ("a@shop.com", "b@shop.com"):
        make_address(address, domain=domain, rules="carried")
    client.force_login(make_member(domain.customer))
    page = read(client, "receipt_rules:domain", domain)
    assert page.count(escape(STEP)) == 1
    assert page.count("Blocked by MTA-STS") == 3


def test_support_reads_that_the_customer_changes_the_policy(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    page = read(client, "operations:case", domain)
    assert "The customer" in page.partition("Who acts next")[2][:200]
    assert escape(STEP) in page
    assert "We’re working on it" not in page
