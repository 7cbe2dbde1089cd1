"""A domain that changes hands while a call about it runs: the caller changes and sees nothing of the new customer."""

import pytest

from domains.models.domains import Domain
from domains.settings import services as settings_services
from inbound_admin.lib.errors import ChangedMeanwhile
from public_api.domains import services
from tests.api_client import expire_waits
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_verified

pytestmark = pytest.mark.django_db


def transfer(domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(customer=make_customer("Bob"), mail_from_label="secret")


def test_mail_from_of_a_domain_that_was_transferred_meanwhile_is_not_set() -> None:
    domain = make_verified("shop.com")
    transfer(domain)
    with pytest.raises(ChangedMeanwhile):
        services.configure_mail_from(domain=domain, name="mail", actor=make_member(domain.customer))
    assert Domain.objects.get(pk=domain.pk).mail_from_label == "secret"


def test_a_call_that_waits_shows_nothing_of_a_new_customer(monkeypatch: pytest.MonkeyPatch) -> None:
    expire_waits(monkeypatch)
    domain = make_verified("shop.com")
    transfer(domain)
    shown = settings_services.wait_until_applied(domain)
    assert (shown.customer_id, shown.mail_from_label) == (domain.customer_id, domain.mail_from_label)
