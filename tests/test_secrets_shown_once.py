"""A secret that is shown once belongs to one press: a second press, and a reload of its page, replace none."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from domains.models.domains import Domain
from domains.settings import services as settings_services
from inbound_admin.lib import sealed
from notifications.models.webhooks import WebhookTarget
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.domains.factories import set_up_domain
from tests.factories import make_customer, make_member
from tests.notifications.factories import make_target
from tests.receipt_rules.factories import make_endpoint

pytestmark = pytest.mark.django_db
TOLD = "somebody else made changes after you opened this page"


def seen_beside(page: str, url: str) -> dict[str, str]:
    """Return the fingerprint in the form that is sent there."""
    found = re.search(rf'action="{url}".*?name="([a-z-]*seen)" value="(\w+)"', page, re.DOTALL)
    assert found
    return {found[1]: found[2]}


def test_an_endpoints_secret_is_replaced_once_by_two_presses(client: Client) -> None:
    customer = make_customer()
    client.force_login(make_member(customer))
    endpoint = make_endpoint(customer)
    url = reverse("receipt_rules:signing_secret", args=[endpoint.pk])
    sent = seen_beside(client.get(reverse("receipt_rules:endpoint", args=[endpoint.pk])).text, url)
    shown = client.post(url, sent).text
    assert TOLD in client.post(url, sent, follow=True).text
    assert Endpoint.objects.get().config["signing_secret"] in shown


def test_a_webhooks_secret_is_replaced_once_by_two_presses(client: Client) -> None:
    customer = make_customer()
    client.force_login(make_member(customer))
    target = make_target(customer_id=customer.pk)
    url = reverse("notifications:new_secret", args=[target.pk])
    sent = seen_beside(client.get(reverse("notifications:webhook", args=[target.pk])).text, url)
    shown = client.post(url, sent).text
    assert TOLD in client.post(url, sent, follow=True).text
    assert sealed.unseal(WebhookTarget.objects.get().secret) in shown
    again = client.post(url, seen_beside(shown, url)).text
    assert sealed.unseal(WebhookTarget.objects.get().secret) in again


def test_a_webhook_that_is_rotated_again_at_once_keeps_signing_with_the_secret_of_its_receiver(
    client: Client,
) -> None:
    customer = make_customer()
    client.force_login(make_member(customer))
    target = make_target(customer_id=customer.pk)
    known, url = sealed.unseal(target.secret), reverse("notifications:new_secret", args=[target.pk])
    for _ in range(2):
        client.post(url)
    assert sealed.unseal(WebhookTarget.objects.get().old_secret) == known


def test_dkim_keys_that_were_rotated_after_the_page_was_opened_are_not_rotated_again(
    client: Client, sandbox: Sandbox
) -> None:
    customer = make_customer()
    client.force_login(make_member(customer))
    domain = set_up_domain(sandbox, "shop.com", customer=customer)
    url = reverse("domains:new_keys", args=[domain.pk])
    sent = seen_beside(client.get(reverse("domains:settings", args=[domain.pk])).text, url)
    sent["keys-because"] = "It leaked."
    for _ in range(2):  # a second press before the worker has begun
        assert TOLD not in client.post(url, sent, follow=True).text
    settings_services.apply_settings(domain_id=domain.pk)
    tokens = Domain.objects.get().dkim_tokens
    assert tokens != domain.dkim_tokens
    assert TOLD in client.post(url, sent, follow=True).text
    settings_services.apply_settings(domain_id=domain.pk)
    assert Domain.objects.get().dkim_tokens == tokens
