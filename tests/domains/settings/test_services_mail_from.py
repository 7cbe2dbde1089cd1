"""Which MAIL FROM domains the settings take."""

import pytest
from django.test import Client
from django.urls import reverse

from domains.models.domains import Domain
from domains.settings import services as settings_services
from domains.settings.services import shown_values
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.seen import fingerprint
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_user

pytestmark = pytest.mark.django_db


def save(client: Client, domain: Domain, label: str) -> int:
    client.force_login(make_member(domain.customer))
    seen = fingerprint(shown_values(domain))
    fields = {"mail_from_label": label, "on_mx_failure": "UseDefaultValue", "dkim_signing": "on", "seen": seen}
    return client.post(reverse("domains:settings", args=[domain.pk]), fields).status_code


@pytest.mark.parametrize("typed", ["mail", "Mail.xn--bcher-kva.de.", "mail.bücher.de", "mail.BÜCHER.de"])
def test_the_mail_from_domain_can_be_typed_in_full(client: Client, typed: str) -> None:
    domain = make_domain("xn--bcher-kva.de", stage="ready")
    assert save(client, domain, typed) == 302
    domain.refresh_from_db()
    assert domain.mail_from == "mail.xn--bcher-kva.de"


def test_an_adopted_mail_from_domain_of_many_labels_can_be_kept(client: Client) -> None:
    label = ".".join(["a" * 30] * 3)
    domain = make_domain("shop.com", stage="ready", mail_from_label=label, ses_mail_from=f"{label}.shop.com")
    assert save(client, domain, label) == 302


def test_a_mail_from_domain_that_is_too_long_for_dns_is_refused() -> None:
    domain = make_domain(".".join(["a" * 63] * 3) + ".com", stage="ready", customer=make_customer())
    settings_services.change(domain=domain, actor=make_user(), mail_from_label="b" * 57)
    with pytest.raises(Refused, match="254 characters"):
        settings_services.change(domain=domain, actor=make_user(), mail_from_label="b" * 58)
