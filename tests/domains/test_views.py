"""The pages of domains, as a visit, as a swap, and who can open them."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice_client(client: Client) -> Client:
    client.force_login(make_member(email="alice@alice.com"))
    return client


def own(client: Client) -> Customer:
    return Customer.objects.get(memberships__user=client.session["_auth_user_id"])


def test_an_empty_list_invites_to_add_a_domain(alice_client: Client) -> None:
    page = alice_client.get(reverse("domains:list"))
    assert "Add your first domain" in page.text


def test_a_domain_is_added_in_two_steps(alice_client: Client, sandbox: Sandbox) -> None:
    preview = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/"})
    assert preview.status_code == 200
    assert "shop.example.co.uk" in preview.text
    assert not Domain.objects.exists()
    added = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/", "confirm": "1"})
    assert added.status_code == 302
    assert Domain.objects.get().name == "shop.example.co.uk"
    waiting = alice_client.get(added["Location"])
    assert "Setting up in Amazon SES" in waiting.text


def test_the_page_shows_the_records_and_then_the_verified_state(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    page = alice_client.get(reverse("domains:detail", args=[domain.id]))
    for record in domain.records:
        assert record.value in page.text
    publish(sandbox, domain)
    sandbox.control.tick()
    swapped = alice_client.post(reverse("domains:check", args=[domain.id]), headers=HTMX)
    assert "<html" not in swapped.text
    assert "Ready to send. To receive mail for" in swapped.text
    assert 'hx-trigger="every' not in swapped.text


@pytest.mark.parametrize("name", ["detail", "check", "history", "settings", "new_keys", "start_again", "support"])
def test_another_customers_domain_is_404(alice_client: Client, name: str) -> None:
    bobs = make_domain(customer=make_customer("Bob Ltd"))
    url = reverse(f"domains:{name}", args=[bobs.id])
    for answer in (alice_client.get(url, follow=True), alice_client.post(url, {"do": "hold", "name": bobs.name})):
        assert answer.status_code in (404, 405)
    assert alice_client.post(url).status_code in (404, 405)


def names_in(page: str) -> list[str]:
    return re.findall(r'class="row-link">([^<]+)<', page)


@pytest.fixture
def three_domains(alice_client: Client) -> None:
    hosts = {"a.com": "Hover", "b.com": "Hover", "c.com": "Cloudflare"}
    for name, state in (("b.com", "verified"), ("a.com", "wrong"), ("c.com", "waiting")):
        make_domain(name, customer=own(alice_client), state=state, provider=hosts[name])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a.com", "b.com", "c.com"]),
        ("?sort=-name", ["c.com", "b.com", "a.com"]),
        ("?sort=state", ["b.com", "c.com", "a.com"]),
        ("?sort=nonsense", ["a.com", "b.com", "c.com"]),
        ("?q=https://B.com/", ["b.com"]),
        ("?q=b", ["b.com"]),
        ("?show=attention", ["a.com"]),
        ("?state=waiting", ["c.com"]),
        ("?provider=Hover", ["a.com", "b.com"]),
        ("?page=99", ["a.com", "b.com", "c.com"]),
        ("?q=%00", ["a.com", "b.com", "c.com"]),
    ],
)
def test_the_list_follows_the_query_string(
    alice_client: Client, three_domains: None, query: str, expected: list[str]
) -> None:
    assert names_in(alice_client.get(reverse("domains:list") + query).text) == expected


def test_a_filter_without_results_shows_a_message_and_can_be_cleared(alice_client: Client, three_domains: None) -> None:
    page = alice_client.get(reverse("domains:list") + "?q=foo").text
    assert "No domain matches “foo”" in page
    assert "Clear search" in page


def test_an_export_follows_the_filters_and_excludes_other_customers(alice_client: Client, three_domains: None) -> None:
    make_domain("bobs.com")
    answer = alice_client.get(reverse("domains:export", args=["csv"]) + "?provider=Hover")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["domain", "a.com", "b.com"]
    rows = json.loads(alice_client.get(reverse("domains:export", args=["json"])).text)
    assert [row["domain"] for row in rows] == ["a.com", "b.com", "c.com"]


@pytest.mark.parametrize("many", [3, 40])
def test_the_number_of_queries_does_not_depend_on_the_number_of_domains(
    alice_client: Client, many: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    customer = own(alice_client)
    domains = [make_domain(customer=customer) for _ in range(many)]
    for url, queries in ((reverse("domains:list"), 15), (reverse("domains:detail", args=[domains[0].id]), 11)):
        alice_client.get(url)
        with django_assert_num_queries(queries):
            alice_client.get(url)


def test_a_check_too_soon_is_429_with_the_seconds_to_wait(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    url = reverse("domains:check", args=[domain.id])
    assert alice_client.post(url, headers=HTMX).status_code == 200
    again = alice_client.post(url, headers=HTMX)
    assert again.status_code == 429
    assert 0 < int(again["Retry-After"]) <= 10
    assert again["HX-Retarget"] == "#problem"
    assert "You can check again in" in again.text


def test_settings_are_stored_or_refused_with_the_reason(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    url = reverse("domains:settings", args=[domain.id])
    form = {"mail_from_label": "return", "on_mx_failure": "UseDefaultValue", "dkim_signing": "on", "wants_dmarc": "on"}
    assert alice_client.post(url, form).status_code == 302
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.wants_apex_spf) == ("return", False)
    refused = alice_client.post(url, form | {"mail_from_label": "not a word"})
    assert refused.status_code == 422
    assert "letters, digits and hyphens" in refused.text


def test_the_filter_finds_a_claim_as_pending(alice_client: Client) -> None:
    make_domain("claimed.com", customer=own(alice_client), stage=Stage.CLAIM)
    assert names_in(alice_client.get(reverse("domains:list") + "?state=waiting").text) == ["claimed.com"]
    assert names_in(alice_client.get(reverse("domains:list") + "?state=not_checked").text) == []


def test_a_domain_with_a_stage_problem_needs_attention(alice_client: Client) -> None:
    make_domain("stuck.com", customer=own(alice_client), stage_problem="Amazon is not answering.")
    assert names_in(alice_client.get(reverse("domains:list") + "?show=attention").text) == ["stuck.com"]


@pytest.mark.parametrize(("filter_value", "expected"), [("yes", ["with.com"]), ("no", ["without.com"])])
def test_the_list_is_filtered_by_catch_all(alice_client: Client, filter_value: str, expected: list[str]) -> None:
    make_domain("with.com", customer=own(alice_client), has_catch_all=True)
    make_domain("without.com", customer=own(alice_client))
    assert names_in(alice_client.get(reverse("domains:list") + f"?catch_all={filter_value}").text) == expected


def test_dmarc_reports_go_to_the_address_in_the_settings(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=own(alice_client))
    form = {"mail_from_label": "bounce", "on_mx_failure": "UseDefaultValue", "dkim_signing": "on", "wants_dmarc": "on"}
    url = reverse("domains:settings", args=[domain.id])
    assert alice_client.post(url, form | {"dmarc_reports_to": "not an address"}).status_code == 422
    limited = alice_client.post(url, form | {"dmarc_reports_to": "a!10m@shop.com"})
    assert "A DMARC record can&#x27;t name an address with !" in limited.text
    assert alice_client.post(url, form | {"dmarc_reports_to": "dmarc@shop.com"}).status_code == 302
    domain.refresh_from_db()
    assert "rua=mailto:dmarc@shop.com" in next(record.value for record in domain.records if record.key == "dmarc")


def test_the_delete_page_lists_the_records_to_remove(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=own(alice_client))
    url = reverse("operations:delete_domain", args=[domain.id])
    assert "stay published" not in alice_client.get(url).text
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    page = alice_client.get(url).text
    for record in domain.records:
        assert (record.name in page) == (record.key != "dmarc")


@pytest.mark.parametrize("path", ["/domains/", "/inbound/addresses/"])
def test_back_to_a_list_without_a_snapshot_shows_the_whole_page(client: Client, path: str) -> None:
    client.force_login(make_member())
    part = client.get(path, headers=HTMX).content.decode()
    whole = client.get(path, headers=HTMX | {"HX-History-Restore-Request": "true"}).content.decode()
    assert "<h1" not in part
    assert "<h1" in whole
    assert "</html>" in whole
