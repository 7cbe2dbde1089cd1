"""Pages and the API show what the rules at SES do with an address, from the first second on."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.receiving.core import MxFact
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.receipt_rules.factories import live, make_address, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
REJECTED = "new@ isn't receiving yet: SES rejects its mail"


@pytest.fixture
def shop(sandbox: Sandbox, alices: Customer) -> Domain:
    """The first address is in the rules, the second isn't yet."""
    domain = make_verified("shop.com", customer=alices, mx_facts={"shop.com": MxFact.HERE})
    addresses_services.add_address(text="orders@shop.com", customer=alices, actor=None)
    set_up_receiving()
    addresses_services.add_address(text="new@shop.com", customer=alices, actor=None)
    domain.refresh_from_db()
    return domain


def test_an_address_in_no_rule_is_not_called_stored(shop: Domain) -> None:
    assert inbound_summary(shop).sentence == (
        f"orders@ is stored only (no endpoint); {REJECTED}; all other mail is rejected."
    )
    auto_apply_services.work()
    assert inbound_summary(shop).sentence.startswith("new@ and orders@ are stored only")


def test_mail_may_be_rejected_if_ses_could_not_be_read(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=9)
    with pytest.raises(AwsProblem):
        auto_apply_services.work()
    assert "new@ isn't receiving yet: SES may reject its mail" in inbound_summary(shop).sentence


def test_pages_and_api_say_that_ses_rejects_an_address_in_no_rule(shop: Domain, alice_client: Client) -> None:
    new = Address.objects.get(address="new@shop.com")
    path = alice_client.get(reverse("receipt_rules:address", args=[new.pk])).text
    assert "Not receiving yet. SES rejects its mail until a receipt rule contains this address." in path
    assert "Stored only" not in path
    row = next(r for r in alice_client.get(reverse("receipt_rules:addresses")).text.split("<tr ") if "new@" in r)
    assert "Stored only" not in row
    api = api_of(shop.customer.memberships.get().user).get(f"/api/v2/email-addresses/{new.pk}").json()
    assert (api["receiving"], "SES rejects its mail" in api["receivingMessage"]) == ("applying", True)
    assert "tored" not in api["deliveryMessage"]
    simulated = alice_client.get(reverse("receipt_rules:simulator"), {"addresses": "new@shop.com"}).text
    assert "Stored only" not in simulated


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"StopAction": {"Scope": "RuleSet"}}, "is lost without a bounce: another receipt rule accepts it and stores"),
        ({"S3Action": {"BucketName": "inbound-mail"}}, "is caught by another receipt rule"),
    ],
)
def test_the_summary_names_an_unmanaged_rule_that_accepts_all_other_mail(
    action: dict[str, Any], reason: str, sandbox: Sandbox
) -> None:
    domain = make_verified("shop.com")
    make_address("a@shop.com", domain)
    set_up_receiving()
    assert "all other mail is rejected" in inbound_summary(domain).sentence
    name = live().names[-1]
    make_unmanaged_rule("archive-everything", [], rule_set="inbound-mail", actions=[action])
    aws.client("ses").set_receipt_rule_position(RuleSetName="inbound-mail", RuleName="archive-everything", After=name)
    found = drift_services.check_drift()
    assert f"all other mail {reason}" in inbound_summary(domain).sentence
    assert any("is lost without a bounce" in each.sentence for each in found) == ("lost" in reason)
