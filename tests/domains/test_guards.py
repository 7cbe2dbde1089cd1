"""Names with two conflicting uses are refused, whichever came first."""

import pytest

from domains.models.domains import Domain
from domains.ownership.selectors import TAKEN
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, mark_as_receiving, set_up_domain
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def set_mail_from_label(domain: Domain, label: str) -> None:
    wanted = settings_services.desired_settings(domain)
    changed = type(wanted)(**{**vars(wanted), "mail_from_label": label})
    settings_services.configure(domain=domain, desired=changed, actor=make_user())


def test_a_name_that_is_a_domain_cannot_be_the_mail_from_domain(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    make_domain("mail.shop.com", customer=domain.customer)
    with pytest.raises(Refused, match="receives mail"):
        set_mail_from_label(domain, "mail")


def test_a_mail_from_domain_cannot_be_added_as_a_domain(sandbox: Sandbox) -> None:
    domain = make_domain("shop.com", mail_from_label="bounce")
    with pytest.raises(Refused, match="MAIL FROM domain") as refused:
        preflight_services.add(text="bounce.shop.com", customer=domain.customer, actor=None)
    assert refused.value.code == "MAIL_FROM_NAME"


def test_the_refusal_does_not_reveal_another_customers_mail_from_domain(sandbox: Sandbox) -> None:
    make_domain("shop.com", mail_from_label="bounce")
    with pytest.raises(Refused) as refused:
        preflight_services.add(text="bounce.shop.com", customer=make_customer(), actor=None)
    assert str(refused.value) == TAKEN


def test_an_unproven_domain_does_not_reserve_its_mail_from_name(sandbox: Sandbox) -> None:
    make_domain("shop.com", mail_from_label="bounce", proven_at=None)
    added = preflight_services.add(text="bounce.shop.com", customer=make_customer(), actor=None)
    assert added.name == "bounce.shop.com"


def test_an_existing_domain_is_not_chosen_as_the_mail_from_domain(sandbox: Sandbox) -> None:
    customer = make_customer()
    make_domain("bounce.shop.com", customer=customer)
    assert preflight_services.add(text="shop.com", customer=customer, actor=None).mail_from == "mailfrom.shop.com"


def test_an_address_at_the_mail_from_domain_is_refused(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    with pytest.raises(Refused) as refused:
        addresses_services.add_address(text=f"info@{domain.mail_from}", customer=domain.customer, actor=None)
    assert refused.value.code == "MAIL_FROM_NAME"


def test_a_name_with_addresses_cannot_be_the_mail_from_domain(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    Domain.objects.filter(pk=domain.pk).update(mail_rules={"eu.shop.com": "carried"})
    domain.refresh_from_db()
    with pytest.raises(Refused, match="receives mail"):
        set_mail_from_label(domain, "eu")


def test_a_customer_can_add_a_domain_below_their_own_catch_all(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    added = preflight_services.add(text="eu.shop.com", customer=domain.customer, actor=None)
    assert added.stage != "claim"


def test_a_subdomain_catch_all_above_another_customers_domain_is_refused(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    make_domain("eu.shop.com", customer=make_customer())
    with pytest.raises(Refused) as refused:
        addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    assert refused.value.code == "SUB_DOMAIN_OF_ANOTHER"


def test_a_name_below_another_customers_domain_must_be_proven(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    added = preflight_services.add(text="eu.shop.com", customer=make_customer(), actor=None)
    assert added.stage == "claim"
