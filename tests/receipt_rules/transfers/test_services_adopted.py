"""Staff adopt an identity below another customer's domain: that customer's delivery for it ends, and they are told."""

import pytest

from domains.adoption.services import AdoptionRequest, AdoptionStatus, adopt
from domains.models.domains import Domain
from notifications.models.alerts import Alert
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities
from tests.factories import make_customer, make_member
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import live, make_address, make_endpoint, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db


def test_the_former_holders_delivery_ends(sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_member(alice)
    domain = make_ready("shop.com", alice, routes_unchecked=False)
    make_address("info@shop.com", domain)
    make_address("info@eu.shop.com", domain, endpoint=make_endpoint(alice, s3_prefix="alice/"))
    olga = set_up_receiving()
    seed_identities(["eu.shop.com"], ownership="Success", dkim="Success")
    (outcome,) = adopt(names=["eu.shop.com"], request=AdoptionRequest(bob, olga, "Contract 12"))
    assert outcome.status is AdoptionStatus.ADOPT
    auto_apply_services.work()
    assert (rule_count("info@eu.shop.com"), "alice/" in str(live().rules)) == (0, False)
    assert rule_count("info@shop.com") == 1
    assert not Address.objects.get(address="info@eu.shop.com").is_served
    assert "eu.shop.com now belongs to another account" in Alert.objects.get(kind="mail.moved").why
    assert not Domain.objects.get(name="eu.shop.com").routes_unchecked


def test_an_identity_below_ones_own_domain_takes_nothing(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    domain = make_ready("shop.com", alice, routes_unchecked=False)
    make_address("info@eu.shop.com", domain)
    olga = set_up_receiving()
    seed_identities(["eu.shop.com"], ownership="Success", dkim="Success")
    adopt(names=["eu.shop.com"], request=AdoptionRequest(alice, olga, "Contract 12"))
    auto_apply_services.work()
    assert (rule_count("info@eu.shop.com"), Alert.objects.filter(kind="mail.moved").exists()) == (1, False)


def test_the_mail_from_domain_of_another_customer_is_not_adopted(sandbox: Sandbox) -> None:
    make_ready("shop.com", make_customer("Alice"), mail_from_label="bounce", ses_mail_from="bounce.shop.com")
    olga = set_up_receiving()
    seed_identities(["bounce.shop.com"], ownership="Success", dkim="Success")
    (outcome,) = adopt(names=["bounce.shop.com"], request=AdoptionRequest(make_customer("Bob"), olga, "Contract 12"))
    assert outcome.status is AdoptionStatus.TAKEN
