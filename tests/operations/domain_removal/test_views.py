"""The page that removes a domain with its addresses."""

import pytest
from django.test import Client
from django.urls import reverse

from domains.deletion import services as deletion_services
from operations.domain_removal import services as domain_removal_services
from receipt_rules.auto_apply import services as auto_apply_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import make_address, make_endpoint, make_mail, set_up_receiving

pytestmark = pytest.mark.django_db


def test_a_removal_is_previewed_confirmed_by_name_and_followed_to_the_end(client: Client, sandbox: Sandbox) -> None:
    customer = make_customer("Northwind")
    domain = make_ready("northwind.com", customer, adopted=True)
    make_address("billing@northwind.com", domain)
    set_up_receiving()
    client.force_login(make_member(customer))
    url = reverse("operations:delete_domain", args=[domain.pk])
    assert url in client.get(reverse("domains:settings", args=[domain.pk])).content.decode()
    page = client.get(url).content.decode()
    assert "billing@northwind.com stops receiving" in page
    refused = client.post(url, {"name": "other.com"})
    assert refused.status_code == 422
    assert "type its name" in refused.content.decode()
    followed = client.post(url, {"name": "northwind.com"}, follow=True).content.decode()
    assert "is being deleted" in followed
    assert "Waiting until" not in client.get(url, headers={"HX-Request": "true"}).content.decode()
    domain_removal_services.work()
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Waiting until no receipt rule in SES names the domain." in part
    auto_apply_services.work()
    domain_removal_services.work()
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Remove the domain from Amazon SES receipt rules. Done." in part
    deletion_services.execute_deletion(domain_id=domain.pk)
    ended = client.get(url, follow=True)
    assert ended.redirect_chain == [(reverse("domains:list"), 302)]
    assert "northwind.com was deleted." in ended.content.decode()
    polled = client.get(url, headers={"HX-Request": "true"})
    assert polled.headers["HX-Redirect"] == reverse("domains:list")
    client.force_login(make_member(make_customer("Bob Ltd"), email="bob@bob.example"))
    assert client.get(url).status_code == 404, "another customer must not learn that the domain existed"


def test_the_page_says_what_happens_to_mail_that_was_received(client: Client) -> None:
    customer = make_customer("Northwind")
    domain = make_ready("northwind.com", customer, adopted=True)
    client.force_login(make_member(customer))
    url = reverse("operations:delete_domain", args=[domain.pk])
    page = client.get(url).text
    assert "mail that was received before: find it under" in page
    assert "delivered yet" not in page
    make_mail(make_endpoint(customer), recipient="billing@northwind.com", outcome="failed")
    assert "1 message isn’t delivered yet: we go on trying" in client.get(url).text
