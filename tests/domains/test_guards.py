"""What must not be two things at once is refused from both sides, whichever came first."""

import pytest

from domains.models.domains import Domain
from domains.preflight import services as preflight_services
from domains.preflight.selectors import TAKEN
from domains.settings import services as settings_services
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, set_up_domain, take_mail
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def wish(domain: Domain, label: str) -> None:
    wanted = settings_services.desired_settings(domain)
    changed = type(wanted)(**{**vars(wanted), "mail_from_label": label})
    settings_services.configure(domain=domain, desired=changed, actor=make_user())


def test_a_domain_is_no_name_for_bounces(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    make_domain("mail.shop.com", customer=domain.customer)
    with pytest.raises(Refused, match="receives mail"):
        wish(domain, "mail")


def test_a_name_for_bounces_is_no_domain(sandbox: Sandbox) -> None:
    domain = make_domain("shop.com", mail_from_label="bounce")
    with pytest.raises(Refused, match="MAIL FROM domain") as refused:
        preflight_services.add(text="bounce.shop.com", customer=domain.customer, actor=None)
    assert refused.value.code == "MAIL_FROM_NAME"


def test_somebody_else_does_not_learn_whose_name_for_bounces_it_is(sandbox: Sandbox) -> None:
    make_domain("shop.com", mail_from_label="bounce")
    with pytest.raises(Refused) as refused:
        preflight_services.add(text="bounce.shop.com", customer=make_customer(), actor=None)
    assert str(refused.value) == TAKEN


def test_what_is_not_proven_keeps_nobody_from_a_name(sandbox: Sandbox) -> None:
    make_domain("shop.com", mail_from_label="bounce", proven_at=None)
    added = preflight_services.add(text="bounce.shop.com", customer=make_customer(), actor=None)
    assert added.name == "bounce.shop.com"


def test_a_domain_that_has_nothing_in_dns_yet_is_not_chosen_for_bounces(sandbox: Sandbox) -> None:
    customer = make_customer()
    make_domain("bounce.shop.com", customer=customer)
    assert preflight_services.add(text="shop.com", customer=customer, actor=None).mail_from == "mailfrom.shop.com"


def test_an_address_at_a_name_for_bounces_is_refused(sandbox: Sandbox) -> None:
    domain = take_mail(set_up_domain(sandbox, "shop.com"))
    with pytest.raises(Refused) as refused:
        addresses_services.add_address(text=f"info@{domain.mail_from}", customer=domain.customer, actor=None)
    assert refused.value.code == "MAIL_FROM_NAME"


def test_a_name_with_addresses_is_no_name_for_bounces(sandbox: Sandbox) -> None:
    domain = take_mail(set_up_domain(sandbox, "shop.com"))
    Domain.objects.filter(pk=domain.pk).update(mail_rules={"eu.shop.com": "carried"})
    domain.refresh_from_db()
    with pytest.raises(Refused, match="receives mail"):
        wish(domain, "eu")


def test_below_a_catch_all_of_ones_own_a_domain_may_be_added_and_the_other_way_round(sandbox: Sandbox) -> None:
    domain = take_mail(set_up_domain(sandbox, "shop.com"))
    addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    added = preflight_services.add(text="eu.shop.com", customer=domain.customer, actor=None)
    assert added.stage != "claim"


def test_everything_below_is_not_taken_where_somebody_else_holds_a_name_below(sandbox: Sandbox) -> None:
    domain = take_mail(set_up_domain(sandbox, "shop.com"))
    make_domain("eu.shop.com", customer=make_customer())
    with pytest.raises(Refused) as refused:
        addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    assert refused.value.code == "SUB_DOMAIN_OF_ANOTHER"


def test_a_name_below_what_somebody_else_holds_must_be_proven_first(sandbox: Sandbox) -> None:
    domain = take_mail(set_up_domain(sandbox, "shop.com"))
    addresses_services.set_catch_all(domain=domain, actor=None, endpoint=None, is_active=True, subdomains=True)
    added = preflight_services.add(text="eu.shop.com", customer=make_customer(), actor=None)
    assert added.stage == "claim"
