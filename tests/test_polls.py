"""A poll without changes returns no content; pages are compressed unless they contain a secret."""

import gzip

import pytest
from django.test import Client
from django.urls import reverse

from inbound_admin.responses import POLL_HEADER
from tests.api_client import api_of
from tests.domains.factories import make_domain
from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client: Client) -> Client:
    client.force_login(make_member())
    return client


def _poll(client: Client, url: str, shown: str) -> tuple[int, bytes, str]:
    answer = client.get(url, headers={"HX-Request": "true", POLL_HEADER: shown})
    return answer.status_code, answer.content, answer[POLL_HEADER]


def test_a_poll_without_changes_is_204() -> None:
    person = make_member()
    client = Client()
    client.force_login(person)
    customer = person.customers.get()
    domain = make_domain("shop.com", customer=customer)
    url = reverse("domains:detail", args=[domain.pk])
    status, content, shown = _poll(client, url, "")
    assert (status, b"shop.com" in content) == (200, True)
    assert _poll(client, url, shown) == (204, b"", shown)
    type(domain).objects.filter(pk=domain.pk).update(stage_problem="Amazon SES is slow.")
    status, content, newer = _poll(client, url, shown)
    assert (status, newer != shown, content != b"") == (200, True, True)


def test_a_request_that_is_no_poll_is_never_204(alice: Client) -> None:
    answer = alice.get(reverse("domains:list"), headers={"HX-Request": "true"})
    assert (answer.status_code, POLL_HEADER in answer.headers) == (200, False)


def test_a_page_is_compressed(alice: Client) -> None:
    url, plain = reverse("domains:list"), alice.get(reverse("domains:list"))
    assert "Content-Encoding" not in plain.headers
    packed = alice.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert b"</html>" in gzip.decompress(packed.content)
    assert len(packed.content) < len(plain.content) / 2


@pytest.mark.parametrize("page", ["account_login", "accounts:keys"])
def test_a_page_with_a_secret_is_not_compressed(page: str, alice: Client) -> None:
    client = Client() if page == "account_login" else alice
    answer = client.get(reverse(page), headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, False)


def test_an_api_response_to_a_key_is_compressed() -> None:
    secret = api_of(make_member()).secret
    headers = {"Authorization": f"Bearer {secret}", "Accept-Encoding": "gzip"}
    assert Client().get("/api/openapi.json", headers=headers)["Content-Encoding"] == "gzip"
